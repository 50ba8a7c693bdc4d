"""Classes that make `stix2` read our objects strictly: import this module, then `stix2.parse(..., allow_custom=False)`.

It is meant for those who receive our bundles as well; it needs nothing of stillwatch but the ids.
"""

from typing import Any

from stix2 import CustomExtension, CustomObservable
from stix2.properties import FloatProperty, ListProperty, StringProperty

from stillwatch.sharing.extensions import CAMPAIGN, INDICATOR, TEMPLATE, TEMPLATE_TYPE


class _CountProperty(StringProperty):  # type: ignore[misc]
    """A count: a whole number for authorities, a band such as `30-99` for everybody else."""

    def clean(self, value: Any, *beside: Any, **named: Any) -> Any:
        is_exact = isinstance(value, int) and not isinstance(value, bool)
        return (value, False) if is_exact else super().clean(value, *beside, **named)


@CustomExtension(
    CAMPAIGN,
    [
        ("n_accounts", _CountProperty()),
        ("n_exchanges", _CountProperty()),
        ("n_input_tokens", _CountProperty()),
        ("n_output_tokens", _CountProperty()),
        ("targeted_capabilities", ListProperty(StringProperty)),
        ("q_value", FloatProperty(min=0, max=1)),
        ("method", StringProperty()),
        ("method_version", StringProperty()),
        ("calibration", StringProperty()),
        ("signals", ListProperty(StringProperty)),
        ("evidence_root", StringProperty()),
    ],
)
class DistillationCampaign:
    """Properties of a campaign that takes outputs of a model to train another."""

    extension_type = "property-extension"


@CustomExtension(
    INDICATOR,
    [
        ("role", StringProperty()),
        ("ja4", ListProperty(StringProperty)),
        ("sketch", StringProperty()),
        ("sketch_method", StringProperty()),
        ("key_id", StringProperty()),
        ("part", StringProperty()),
    ],
)
class DistillationIndicator:
    """What an indicator or infrastructure of a distillation campaign is."""

    extension_type = "property-extension"


@CustomObservable(
    TEMPLATE_TYPE,
    [
        ("sketch", StringProperty(required=True)),
        ("sketch_method", StringProperty(required=True)),
        ("key_id", StringProperty(required=True)),
        ("part", StringProperty()),
    ],
    ["sketch", "sketch_method", "key_id"],
    extension_name=TEMPLATE,
)
class LlmPromptTemplate:
    """A prompt template, known by a keyed sketch alone."""

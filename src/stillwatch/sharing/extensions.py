"""The published extensions of STIX: their ids, their definitions, and the prompt template as a new observable."""

from typing import Any, Final

CAMPAIGN: Final = "extension-definition--6f1cd0d4-5b0e-4c6e-9a57-6a8b1c2f7d10"
TEMPLATE: Final = "extension-definition--b7e2c4a8-1f3d-4e5a-8c6b-9d0f2a4e6c81"
INDICATOR: Final = "extension-definition--3c9a7e52-84d1-4b6f-a2e0-5f7c1d3b9e64"

TEMPLATE_TYPE: Final = "llm-prompt-template"
SKETCH_METHOD: Final = "keyed-bottom-64-1"

PUBLISHED_AT: Final = "2026-11-23T00:00:00.000Z"
PUBLISHER: Final = "identity--0f7a4b1e-6d2c-4f58-9b3a-1c8e5d7f2a60"
"""Who publishes the extensions: the stillwatch project."""

_DEFINED: Final = (
    (CAMPAIGN, "distillation-campaign", "property-extension",
     "What is known of a campaign that takes outputs of a model to train another."),
    (TEMPLATE, "llm-prompt-template", "new-sco", "A keyed sketch of a prompt template that many accounts share."),
    (INDICATOR, "distillation-indicator", "property-extension",
     "What an indicator or infrastructure of a distillation campaign is."),
)  # fmt: skip


def definitions(created_by: str, marking: str) -> list[dict[str, Any]]:
    """The extension definitions as STIX objects; a bundle that uses an extension carries its definition."""
    return [
        {
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": extension_id,
            "created_by_ref": created_by,
            "created": PUBLISHED_AT,
            "modified": PUBLISHED_AT,
            "name": name,
            "description": description,
            "schema": f"https://stillwatch.example/stix/{name}.json",
            "version": "1.0.0",
            "extension_types": [kind],
            "object_marking_refs": [marking],
        }
        for extension_id, name, kind, description in _DEFINED
    ]

"""Traffic Light Protocol 2.0 markings on STIX objects.

References:
    FIRST (2022), Traffic Light Protocol 2.0.
    OASIS Cyber Threat Intelligence TC (2022), STIX extension definition of TLP 2.0.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

EXTENSION_ID: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


class Tlp(IntEnum):
    """How far something may travel; higher values travel less far."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """The marking as it is written: `amber+strict`."""
        return self.name.lower().replace("_", "+")


MARKING_IDS: Final[Mapping[Tlp, str]] = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""The ids that OASIS published for TLP 2.0."""

OLDER_IDS: Final[Mapping[str, Tlp]] = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER_STRICT,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}
"""Ids of TLP 1 in STIX 2.1. Its AMBER never left the organisation's own clients, so it is read as AMBER+STRICT."""

_LEVELS: Final = {marking_id: level for level, marking_id in MARKING_IDS.items()} | dict(OLDER_IDS)

LEAVES_AT_MOST: Final = Tlp.AMBER
"""AMBER+STRICT stays inside the organisation and RED in the room; no policy can change that."""


def marking(level: Tlp) -> dict[str, object]:
    """The published marking definition of a level."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": MARKING_IDS[level],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{level.label.upper()}",
        "extensions": {EXTENSION_ID: {"extension_type": "property-extension", "tlp_2_0": level.label}},
    }


def level_of(stix: Mapping[str, object]) -> Tlp | None:
    """The strictest TLP level that an object carries, granular markings included; None when it carries none.

    A marking that is not known counts as RED: whoever set it may have meant anything.
    """
    marked = _ids(stix.get("object_marking_refs"))
    granular = stix.get("granular_markings")
    for part in granular if isinstance(granular, list) else ():
        marked += _ids([part.get("marking_ref")]) if isinstance(part, Mapping) and "marking_ref" in part else []
    return max((_LEVELS.get(marking_id, Tlp.RED) for marking_id in marked), default=None)


def _ids(value: object) -> list[str]:
    if value is None:
        return []
    return [part if isinstance(part, str) else "" for part in value] if isinstance(value, list) else [""]

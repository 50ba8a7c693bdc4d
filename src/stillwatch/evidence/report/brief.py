"""The page for those who may hold no report: what the guard let out of a campaign, and nothing else, to be read.

It is made from the STIX bundle alone, after every field of it was decided about.
"""

from typing import Any, Final

import msgspec

from stillwatch.evidence.report.html import rendered
from stillwatch.evidence.report.words import plain_name, prose

Object = dict[str, Any]
CAMPAIGN_FIELDS: Final = ("name", "description", "first_seen", "last_seen", "objective", "confidence")
SHOWN: Final = {
    "indicator": "What to look for",
    "infrastructure": "Where they came from",
    "attack-pattern": "How they went about it",
    "course-of-action": "What helps against it",
}
"""Types of objects that a reader is told of one by one, with their headings."""


def brief(bundle: bytes) -> bytes:
    """The page of one bundle; equal bundles give equal bytes."""
    objects: list[Object] = msgspec.json.decode(bundle)["objects"]
    campaigns = [one for one in objects if one["type"] == "campaign"]
    known = [
        (plain_name(name.removeprefix("n_")), _said(value))
        for one in campaigns
        for name, value in _facts(one).items()
        if value != []
    ]
    said = {
        "title": prose(campaigns[0]["name"]) if campaigns and "name" in campaigns[0] else "A distillation campaign",
        "markings": sorted({prose(one["name"]) for one in objects if one["type"] == "marking-definition"}),
        "facts": known,
        "sections": [(heading, rows) for kind, heading in SHOWN.items() if (rows := _rows(objects, kind))],
        "n_accounts": sum(one["type"] == "user-account" for one in objects),
    }
    return rendered("brief.html.j2", said)


def _facts(campaign: Object) -> Object:
    """The campaign's own fields, and those of its extensions."""
    own = {name: campaign[name] for name in CAMPAIGN_FIELDS if name in campaign}
    extended = {
        name: value
        for extension in campaign.get("extensions", {}).values()
        for name, value in extension.items()
        if name != "extension_type"
    }
    return own | extended


def _rows(objects: list[Object], kind: str) -> list[dict[str, str]]:
    return [
        {
            "name": prose(one.get("name", "")),
            "says": prose(one.get("description", "")),
            "detail": prose(one.get("pattern", "") or _references(one)),
        }
        for one in objects
        if one["type"] == kind
    ]


def _references(one: Object) -> str:
    return ", ".join(reference.get("external_id", "") for reference in one.get("external_references", []))


def _said(value: object) -> str:
    return prose(", ".join(plain_name(part) for part in value) if isinstance(value, list) else value)

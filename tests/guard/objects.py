"""Objects of a made-up campaign, clean, for the guard's tests to spoil."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from stillwatch.guard.review import Support
from stillwatch.guard.tlp import MARKING_IDS, Tlp

AT = datetime(2026, 5, 20, 12, tzinfo=UTC)
"""While the first legal basis of the shipped policy holds."""
CAMPAIGN_EXTENSION = "extension-definition--6f1cd0d4-5b0e-4c6e-9a57-6a8b1c2f7d10"
ENOUGH = Support(n_accounts=50, flagged_share=0.99, n_shingles=80)

Stix = dict[str, Any]


def stix_id(kind: str, draw: random.Random) -> str:
    return f"{kind}--{uuid.UUID(int=draw.getrandbits(128), version=4)}"


def framed(kind: str, draw: random.Random, tlp: Tlp = Tlp.CLEAR, **fields: object) -> Stix:
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": stix_id(kind, draw),
        "created": "2026-05-01T08:00:00.000Z",
        "modified": "2026-05-01T08:00:00.000Z",
        "object_marking_refs": [MARKING_IDS[tlp]],
        **fields,
    }


def campaign(draw: random.Random, **fields: object) -> Stix:
    told = {
        "name": f"Distillation campaign {draw.getrandbits(32):08x}",
        "description": "Many accounts, run together, take outputs of a model to train another.",
        "objective": "To train another model on outputs of this one.",
        "first_seen": "2026-04-22T00:00:00Z",
        "last_seen": "2026-05-04T00:00:00Z",
        "confidence": draw.randint(0, 100),
        "extensions": {
            CAMPAIGN_EXTENSION: {
                "extension_type": "property-extension",
                "n_accounts": "3000-9999",
                "targeted_capabilities": [draw.choice(["agentic-reasoning", "software-engineering", "planning"])],
                "q_value": 0.01,
                "method": "stillwatch",
                "method_version": "0.1.0",
            }
        },
    }
    return framed("campaign", draw, **{**told, **fields})


def indicator(draw: random.Random, **fields: object) -> Stix:
    number = draw.randint(64512, 65534)
    told = {
        "name": f"Autonomous system AS{number}",
        "description": "Seen at many flagged accounts and few others; not a reason to act on an account by itself.",
        "pattern": f"[autonomous-system:number = {number}]",
        "pattern_type": "stix",
        "valid_from": "2026-04-22T00:00:00Z",
        "indicator_types": ["malicious-activity"],
    }
    return framed("indicator", draw, **{**told, **fields})


def address(draw: random.Random, **fields: object) -> Stix:
    told = {"value": f"192.0.2.{draw.randint(1, 254)}"}
    made = framed("ipv4-addr", draw, **{**told, **fields})
    return {name: value for name, value in made.items() if name not in ("created", "modified")}


def sighting(draw: random.Random, **fields: object) -> Stix:
    told = {"sighting_of_ref": stix_id("indicator", draw), "count": 30, "first_seen": "2026-05-01T00:00:00Z"}
    return framed("sighting", draw, **{**told, **fields})


def technique(draw: random.Random, **fields: object) -> Stix:
    told = {
        "name": "Extract AI Model",
        "external_references": [{"source_name": "mitre-atlas", "external_id": "AML.T0024.002"}],
    }
    return framed("attack-pattern", draw, **{**told, **fields})


def identity(draw: random.Random, **fields: object) -> Stix:
    return framed("identity", draw, **{"name": "An AI laboratory", "identity_class": "organization", **fields})


CLEAN = (campaign, indicator, address, sighting, technique)


def clean_objects(n: int, seed: int) -> list[Stix]:
    draw = random.Random(seed)
    return [CLEAN[number % len(CLEAN)](draw) for number in range(n)]

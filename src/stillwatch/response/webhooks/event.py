"""One event, and the CloudEvents document that carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

EVENT_KINDS: Final = (
    "campaign.alarm",
    "campaign.review",
    "campaign.growth",
    "campaign.pivot",
    "campaign.successors",
    "campaign.changed",
    "campaign.ended",
    "response.applied",
    "response.waiting",
    "run.failed",
    "webhook.test",
)
SPEC_VERSION: Final = "1.0"
"""Of CloudEvents."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an operator wants to hear of. `data` holds counts and names of campaigns, never an account.

    `cause` names what it follows from (a run): equal causes give equal ids, so that an event made twice is one.
    """

    kind: str
    cause: str
    happened_at: datetime
    subject: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def event_id(self) -> str:
        """The id that all deliveries of the event have."""
        said = msgspec.json.encode([self.kind, self.cause, self.subject])
        return f"evt_{blake2b(said, digest_size=16).hexdigest()}"


def written(event: Event, workspace_id: str) -> str:
    """The event as CloudEvents JSON in structured mode."""
    document: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": event.event_id,
        "source": f"urn:stillwatch:{workspace_id}",
        "type": f"stillwatch.{event.kind}",
        "time": event.happened_at,
        "datacontenttype": "application/json",
    }
    if event.subject is not None:
        document["subject"] = event.subject
    return msgspec.json.encode(document | {"data": dict(event.data)}).decode()

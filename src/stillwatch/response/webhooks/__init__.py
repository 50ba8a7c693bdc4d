"""Events to the operator's own endpoints: CloudEvents, signed as Standard Webhooks say, delivered until they arrive."""

from stillwatch.response.webhooks.delivery import Courier, Rounds
from stillwatch.response.webhooks.event import EVENT_KINDS, Event, written
from stillwatch.response.webhooks.post import Answer, post
from stillwatch.response.webhooks.settings import Endpoint, Settings, checked
from stillwatch.response.webhooks.signature import new_secret, signatures

__all__ = [
    "EVENT_KINDS",
    "Answer",
    "Courier",
    "Endpoint",
    "Event",
    "Rounds",
    "Settings",
    "checked",
    "new_secret",
    "post",
    "signatures",
    "written",
]

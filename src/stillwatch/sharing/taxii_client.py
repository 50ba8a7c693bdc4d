"""A TAXII 2.1 client: pages of a peer's collection in, cleared objects out, all of it bounded."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from stillwatch.errors import ExternalServiceError, GuardRefused
from stillwatch.guard import Cleared
from stillwatch.guard.channel import Answer, Peer
from stillwatch.guard.intake import read_bounded, read_objects

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
MOST_PAGES: Final = 5000
"""Pages of one pull; a peer that has more is pulled again later, from where this one ended."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: objects, and the time at which the peer added the last of them (None when it did not say)."""

    objects: list[dict[str, Any]]
    last_added: str | None


def pages(peer: Peer, collection_id: str, *, added_after: str | None, limit: int = 1000) -> Iterator[Page]:
    """The pages of a collection, from what was added after `added_after` (the peer's own time; None: from the start).

    Raises:
        ExternalServiceError: the peer answers with an error, or its cursor runs in a circle.
        GuardRefused: an answer is too large, too deep or no JSON.
    """
    query = {"limit": str(limit)} | ({} if added_after is None else {"added_after": added_after})
    seen: set[bytes] = set()
    for _ in range(MOST_PAGES):
        answer = peer.get(_objects(collection_id), MEDIA_TYPE, query)
        message = _message(answer)
        added = answer.headers.get("x-taxii-date-added-last", answer.headers.get("x-taxii-date-added-first"))
        # NOTE: a cursor may stay the same from page to page, as medallion's does; a page may not.
        digest = hashlib.sha256(answer.body).digest()
        if digest in seen:
            raise ExternalServiceError("the peer's cursor runs in a circle; nothing more is pulled from it")
        seen.add(digest)
        yield Page(read_objects(message), added)
        following = message.get("next")
        if not message.get("more"):
            return
        if not isinstance(following, str) or not following:
            raise ExternalServiceError("the peer says that there is more and gives no cursor")
        query["next"] = following
    raise ExternalServiceError(f"the peer has more than {MOST_PAGES:,} pages; pull again to go on")


def push(peer: Peer, collection_id: str, cleared: Cleared) -> dict[str, int]:
    """Send cleared objects to a peer's collection; returns its counts of successes, failures and pending ones.

    Raises:
        ExternalServiceError: the peer refuses.
    """
    message = _message(peer.post(_objects(collection_id), cleared, MEDIA_TYPE))
    counts = {name: message.get(f"{name}_count", 0) for name in ("success", "failure", "pending")}
    if not all(isinstance(count, int) for count in counts.values()):
        raise ExternalServiceError("the peer's status has counts that are no numbers")
    return counts


def _objects(collection_id: str) -> tuple[str, ...]:
    return ("collections", collection_id, "objects", "")


def _message(answer: Answer) -> dict[str, Any]:
    if answer.status not in (200, 202):
        raise ExternalServiceError(f"the peer answered {answer.status}")
    if not answer.headers.get("content-type", "").replace(" ", "").startswith("application/taxii+json"):
        raise GuardRefused("the peer answered with something else than TAXII")
    return read_bounded(answer.body)

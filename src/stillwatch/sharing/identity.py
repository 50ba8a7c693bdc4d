"""Ids and times of exported objects: equal findings give equal ones, and nobody outside can compute them."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import rfc8785

from stillwatch.guard.review import STIX_NAMESPACE


class Ids:
    """Ids under a key of the workspace.

    Domain and relationship objects get ids of version 4's shape, as STIX asks for, from a keyed digest; observables
    get the ids of version 5 that the specification derives from their content.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, *told: str) -> str:
        """The id of the object of a type about `told`."""
        content = rfc8785.dumps([kind, *told])
        digest = hashlib.blake2b(content, digest_size=16, key=self._key, person=b"sw/stix/1").digest()
        return f"{kind}--{uuid.UUID(bytes=digest, version=4)}"


def observable_id(kind: str, contributing: dict[str, Any]) -> str:
    """The id of an observable from its contributing properties (STIX 2.1, section 2.9)."""
    return f"{kind}--{uuid.uuid5(STIX_NAMESPACE, rfc8785.dumps(contributing).decode())}"


def template_id(kind: str, contributing: dict[str, Any]) -> str:
    """The id of a prompt template: equal for equal content everywhere, in the shape of version 4.

    STIX would derive version 5, and the validators that peers use refuse that for types which they do not know.
    """
    digest = hashlib.sha256(rfc8785.dumps([kind, contributing])).digest()[:16]
    return f"{kind}--{uuid.UUID(bytes=digest, version=4)}"


def stamp(at: datetime) -> str:
    """The time of a version of an object, to the millisecond as STIX asks for."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def second(at: datetime) -> str:
    """The time of something that happened, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

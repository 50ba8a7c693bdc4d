"""The narrow door to the ledger: the room writes entries and never reads the store."""

from collections.abc import Mapping
from typing import Protocol


class Append(Protocol):
    """Writes one entry and returns its digest; when it returns, the entry is committed."""

    def __call__(self, kind: str, body: Mapping[str, str | int | bool | None], /) -> str:
        """The digest of the entry that was written."""

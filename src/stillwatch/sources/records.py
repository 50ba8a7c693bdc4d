"""Looking into decoded JSON records, where nothing can be relied on to have its type."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from stillwatch.sources.coercion import CREDENTIAL, canonical_json

Record = Mapping[str, object]
"""A decoded record, as its source wrote it."""
Row = dict[str, object]
"""Values of a record by RAW_RECORDS column."""
MAX_ATTRIBUTE_CHARS = 256
SECRET_NAME = re.compile(r"(?i)authori[sz]ation|cookie|secret|passw|api[-_.]?key|token$|e-?mail")
"""Names under which credentials and addresses travel."""


def mapping(value: object) -> Record:
    """The object itself; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[object]:
    """The list itself; an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def text_or_none(value: object) -> str | None:
    """Text that is not empty; None in place of anything else."""
    return value if isinstance(value, str) and value else None


def first_present(*values: object) -> object:
    """The first value that is neither null nor empty text; None when there is none."""
    return next((value for value in values if value is not None and value != ""), None)


def allowed_attributes(values: Mapping[str, object]) -> str | None:
    """JSON object of short scalars that neither look like a credential nor have the name of one; None without any."""
    kept = {name: value for name, value in values.items() if _is_harmless(value) and not is_secret_name(name)}
    return canonical_json(kept) if kept else None


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether credentials or addresses of persons travel under this name."""
    return SECRET_NAME.search(name) is not None


def _is_harmless(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ATTRIBUTE_CHARS and not CREDENTIAL.search(value)
    return isinstance(value, (bool, int, float))


def forwarded_address(header: object, trusted_hops: int) -> str | None:
    """The address that the outermost of `trusted_hops` own proxies saw, from an `x-forwarded-for` header.

    Each proxy appends the address of its peer, so the n-th from the right was written by a proxy of ours; what stands
    left of it was sent by the client and proves nothing. None when there are fewer addresses.
    """
    addresses = [part.strip() for part in header.split(",")] if isinstance(header, str) else []
    return addresses[-trusted_hops] or None if 0 < trusted_hops <= len(addresses) else None


def joined(texts: Iterable[str], separator: str = "\n\n") -> str | None:
    """Texts joined; None when there is nothing."""
    return separator.join(text for text in texts if text) or None

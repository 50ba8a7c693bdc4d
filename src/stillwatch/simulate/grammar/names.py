"""Names of entities, from spaces so large that two unrelated entities hardly ever share one.

All are made of invented stems and syllables; none is taken from anywhere.
"""

from functools import cache
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.simulate.grammar.words import BANKS
from stillwatch.simulate.keyed import Keys, choose, mix

_STEMS = BANKS["stem"]
_SYLLABLES = tuple(head + tail for head, tail in product("bdgklmnprstvz", ("ado", "eno", "im", "or", "ul")))
_SURNAMES = tuple(stem.capitalize() for stem in _STEMS)
_JOINED = tuple(f"{stem}_" for stem in _STEMS)

# A name is one entry of each bank, side by side. Words (a path has several) are counted without folders and endings.
_PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "field": (_JOINED, _STEMS),
    "file": (
        ("src/", "lib/core/", "app/", "services/api/", "tests/", "pkg/internal/"),
        _JOINED,
        _STEMS,
        (".py", ".ts", ".go", ".rs", ".sql"),
    ),
    "function": (
        ("load_", "merge_", "parse_", "sync_", "score_", "render_", "split_", "check_"),
        _JOINED,
        _STEMS,
    ),
    "person": (_SURNAMES, _SYLLABLES),
    "table": (_JOINED, _STEMS, ("_events", "_orders", "_users_daily", "_ledger")),
    "team": (_SURNAMES, _SYLLABLES, (" Labs", " Group", " Works", " Co")),
}
KINDS = tuple(_PARTS)
"""The slots that an entity fills."""


@cache
def _banks(kind: str) -> tuple[pa.Array, ...]:
    return tuple(pa.array(bank, type=pa.string()) for bank in _PARTS[kind])


def names(kind: str, entity: Keys) -> pa.Array:
    """The name of that kind that each entity has."""
    key = mix(entity, KINDS.index(kind))
    parts = [bank.take(pa.array(choose(len(bank), key, place))) for place, bank in enumerate(_banks(kind))]
    return pc.binary_join_element_wise(*parts, pa.scalar(""))

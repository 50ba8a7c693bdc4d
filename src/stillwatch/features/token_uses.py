"""The table `token_uses`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis

from stillwatch.features.settings import EXACT_KINDS, SHINGLE
from stillwatch.features.volumes import volumes
from stillwatch.model.tables import TOKEN_USES

if TYPE_CHECKING:
    import ibis.expr.types as ir

_CARRIED = (
    "day", "account_id", "opening", "start_time", "input_tokens", "output_tokens", "micro_cell", "capability", "prompt",
    "materials",
)  # fmt: skip


def token_uses(exchanges: "ir.Table", shared_shingles: "ir.Table", token_kinds: Sequence[str]) -> "ir.Table":
    """One row per (day, account, token kind, token) of thinned `exchanges`, for the kinds in `token_kinds`.

    `shared_shingles` (day, token) names the shingles worth recording.
    """
    parts = [
        _uses(exchanges.select(*_CARRIED, token=exchanges[kind]), kind) for kind in EXACT_KINDS if kind in token_kinds
    ]
    if SHINGLE in token_kinds:
        occurrences = exchanges.select(*_CARRIED, token=exchanges.shingles.unnest())
        parts.append(_uses(occurrences.semi_join(shared_shingles, ["day", "token"]), SHINGLE))
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]


def shared_shingles(exchanges: "ir.Table") -> "ir.Table":
    """The (day, token) of shingles that at least two accounts used on that day.

    A shingle of one account joins nobody to anybody, and such shingles are most of all occurrences. What is lost: a
    shingle that two accounts share but never use on one day.

    NOTE: the test is min < max, which needs no distinct count, over account *numbers*: DuckDB takes minima of text
    several times slower.
    """
    occurrences = exchanges.select("day", "account_no", token=exchanges.shingles.unnest())
    users = occurrences.group_by("day", "token").aggregate(
        lowest=occurrences.account_no.min(), highest=occurrences.account_no.max()
    )
    return users.filter(users.lowest < users.highest).select("day", "token")


def _uses(rows: "ir.Table", kind: str) -> "ir.Table":
    present = rows.filter(rows.token.notnull())
    uses = present.group_by("day", "account_id", "token").aggregate(**volumes(present))
    return uses.mutate(token_kind=ibis.literal(kind)).select(TOKEN_USES.schema.names)

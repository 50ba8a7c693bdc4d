"""Which accounts are joined by which tokens: every account is in the picture, alike ones as one disc."""

from dataclasses import dataclass
from math import ceil
from typing import Final

import altair as alt
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evidence.charts.style import BLUE, ORANGE, PALE, inline

TOKENS_DRAWN: Final = 60
"""Tokens on the ring: more cannot be told apart; the title says how many there are."""
SIDE: Final = 560
GOLDEN: Final = np.pi * (3 - np.sqrt(5))
"""Golden angle: discs that belong in one place lie beside each other without a pattern."""

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Net:
    """Rows to draw.

    `tokens` have `token, token_kind, n_accounts, x, y`; `accounts` have `node, n_accounts, tokens, x, y`, one row for
    all accounts with the same drawn tokens; `links` have `node, x, y, x2, y2`. `n_tokens` are drawn or not.
    """

    tokens: list[dict[str, object]]
    accounts: list[dict[str, object]]
    links: list[dict[str, object]]
    n_tokens: int


def network(members: pa.Table) -> alt.LayerChart:
    """`members` are CAMPAIGN_MEMBERS rows of one campaign. Positions are computed here and equal for equal rows."""
    net = laid_out(members)
    n_accounts = sum(int(str(row["n_accounts"])) for row in net.accounts)
    said = (
        f"{n_accounts:,} of {n_accounts:,} accounts in {len(net.accounts):,} discs (one disc: the same tokens); "
        f"{len(net.tokens):,} of {net.n_tokens:,} tokens"
    )
    x, y = alt.X("x:Q", axis=None), alt.Y("y:Q", axis=None)
    links = alt.Chart(inline(net.links)).mark_rule(color=PALE, opacity=0.6).encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
    accounts = (
        alt.Chart(inline(net.accounts))
        .mark_circle(color=BLUE, opacity=0.85)
        .encode(
            x=x, y=y, size=alt.Size("n_accounts:Q", title="accounts", scale=alt.Scale(range=[25, 900])),
            tooltip=[alt.Tooltip("n_accounts:Q", format=","), alt.Tooltip("tokens:N")],
        )
    )  # fmt: skip
    tokens = (
        alt.Chart(inline(net.tokens))
        .mark_point(filled=True, color=ORANGE, size=110)
        .encode(
            x=x, y=y, shape=alt.Shape("token_kind:N", title="token"),
            tooltip=["token_kind:N", "token:N", alt.Tooltip("n_accounts:Q", format=",")],
        )
    )  # fmt: skip
    return alt.layer(links, accounts, tokens).properties(
        width=SIDE, height=SIDE, title=alt.Title("Accounts and the tokens that join them", subtitle=said)
    )


def laid_out(members: pa.Table) -> Net:
    """Tokens on a ring by kind, each disc of accounts at the middle of its tokens."""
    tokens, n_tokens = _leading(members)
    angle = 2 * np.pi * np.arange(len(tokens)) / max(len(tokens), 1)
    ring = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    discs = _discs(members, tokens)
    places = _spread([ring[sorted(disc)].mean(axis=0) if disc else np.zeros(2) for disc, _ in discs])
    token_rows = [
        {"token": f"{token & (2**64 - 1):016x}", "token_kind": kind, "n_accounts": n, "x": x, "y": y}
        for (kind, token, n), (x, y) in zip(tokens, ring.tolist(), strict=True)
    ]
    account_rows: list[dict[str, object]] = []
    links: list[dict[str, object]] = []
    for node, ((disc, n), (x, y)) in enumerate(zip(discs, places.tolist(), strict=True)):
        said = ", ".join(sorted({tokens[at][0] for at in disc})) or "none of the drawn tokens"
        account_rows.append({"node": node, "n_accounts": n, "tokens": said, "x": x, "y": y})
        links += [{"node": node, "x": x, "y": y, "x2": ring[at, 0], "y2": ring[at, 1]} for at in sorted(disc)]
    return Net(token_rows, account_rows, links, n_tokens)


def _leading(members: pa.Table) -> tuple[list[tuple[str, int, int]], int]:
    """Kind, token and number of accounts of the drawn tokens, by kind, most accounts first; and how many tokens are."""
    sized = members.group_by(["token_kind", "token"], use_threads=False).aggregate([("account_id", "count_distinct")])
    order = [("account_id_count_distinct", "descending"), ("token_kind", "ascending"), ("token", "ascending")]
    chosen = sized.sort_by(order).slice(0, TOKENS_DRAWN).to_pylist()
    rows = [(row["token_kind"], row["token"], row["account_id_count_distinct"]) for row in chosen]
    return sorted(rows, key=lambda row: (row[0], -row[2], row[1])), sized.num_rows


def _discs(members: pa.Table, tokens: list[tuple[str, int, int]]) -> list[tuple[frozenset[int], int]]:
    """Sets of places in `tokens`, and how many accounts have exactly that set; most accounts first."""
    kinds = pa.table(
        {
            "token_kind": pa.array([kind for kind, _, _ in tokens], pa.string()),
            "token": pa.array([token for _, token, _ in tokens], pa.int64()),
            "at": pa.array(range(len(tokens)), pa.int64()),
        }
    )
    drawn = members.select(["account_id", "token_kind", "token"]).join(
        kinds, ["token_kind", "token"], join_type="inner"
    )
    sets = drawn.group_by("account_id", use_threads=False).aggregate([("at", "distinct")])
    texts = pc.binary_join(pc.cast(sets["at_distinct"].combine_chunks(), pa.list_(pa.string())), " ")
    counted: dict[frozenset[int], int] = {}
    for one in pc.value_counts(texts).to_pylist():
        disc = frozenset(int(at) for at in one["values"].split())
        counted[disc] = counted.get(disc, 0) + one["counts"]
    n_without = pc.count_distinct(members["account_id"]).as_py() - sets.num_rows
    if n_without:
        counted[frozenset()] = n_without
    return sorted(counted.items(), key=lambda item: (-item[1], sorted(item[0])))


def _spread(places: list[Reals]) -> Reals:
    """The places, those that coincide moved apart on a spiral."""
    laid = np.array(places).reshape(-1, 2)
    _, which = np.unique(laid.round(2), axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    first = np.searchsorted(which.ravel()[order], which.ravel()[order])
    rank = np.zeros(len(laid))
    rank[order] = np.arange(len(laid)) - first
    reach = 0.45 / max(ceil(np.sqrt(rank.max(initial=0.0))), 6)
    return np.asarray(
        laid * 0.8 + reach * np.sqrt(rank)[:, None] * np.stack([np.cos(rank * GOLDEN), np.sin(rank * GOLDEN)], axis=1)
    )

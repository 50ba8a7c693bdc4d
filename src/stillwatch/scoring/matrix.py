"""Groups and their signals as one matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.stats.conformal import FloatArray, IntArray

FAMILIES: Final = {
    "skeleton": "content",
    "system": "content",
    "tools": "content",
    "shingle_bundle": "content",
    "address": "network",
    "prefix": "network",
    "ja4": "network",
    "signup_address": "network",
    "signup_prefix": "network",
}
"""Token kinds whose honest groups behave alike; any other kind (device, payment, ...) is of the identity family."""
IDENTITY_FAMILY: Final = "identity"
REMAINDER: Final = "remainder"
"""Proposal of what is left of a token without its accused adopters: of the token's family, and no part of the run's
population, which it is drawn from."""
PROPOSAL_FAMILIES: Final = {"stratum": "stratum", "linked": "linked", "community": "linked"}
"""A stratum is young or focused by construction and a linked group shares two tokens: each has its own honest range."""

NEVER_ACCUSED: Final = frozenset({"network"})
"""Families that at most lead to a review: whoever shares an exit with a campaign has done nothing."""
ALPHA_SHARES: Final = {"content": 0.3, "identity": 0.2, "network": 0.05, "stratum": 0.05, "linked": 0.05}
"""How the people that may be accused are shared out among families. What accounts send is the case against them, and
gets most. A shared exit has many honest reasons, strata and links are chosen by what is suspicious, and their honest
tails, blocks of hundreds of people, must not cover up those who are alike in what they send or pay with one card. A
third is held back: on windows that did not set a threshold more people are accused than on those that did, because
people are accused in blocks (docs/calibration.md, Limits)."""


@dataclass(frozen=True, slots=True)
class GroupMatrix:
    """`n_groups` groups in the order of their id; `values` is (n_groups, n_signals), NaN where a signal has no value.

    `values` are conservative values: the end of the uncertainty that accuses least, high is suspicious. `sizes` are in
    accounts, `volumes` in exchanges per account.
    """

    group_ids: pa.Array
    families: NDArray[np.str_]
    sizes: IntArray
    volumes: FloatArray
    n_tests: FloatArray
    signals: tuple[str, ...]
    values: FloatArray
    is_remainder: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_]) -> "GroupMatrix":
        """The groups where `rows` is true."""
        return GroupMatrix(
            self.group_ids.filter(pa.array(rows)),
            self.families[rows],
            self.sizes[rows],
            self.volumes[rows],
            self.n_tests[rows],
            self.signals,
            self.values[rows],
            self.is_remainder[rows],
        )


def family_of(token_kind: str, proposal: str) -> str:
    """The family in whose honest groups a group of this kind is compared."""
    return PROPOSAL_FAMILIES.get(proposal) or FAMILIES.get(token_kind, IDENTITY_FAMILY)


def group_matrix(groups: pa.Table, group_signals: pa.Table, signals: Sequence[str]) -> GroupMatrix:
    """The matrix of `signals` of `groups`; signals that `group_signals` lacks are NaN, others are left out.

    `groups` has at least group_id (unique), token_kind, proposal, n_accounts, n_exchanges and n_tests; `group_signals`
    at least group_id, signal and conservative_value.
    """
    groups = groups.sort_by("group_id")
    ids = groups["group_id"].combine_chunks()
    rows = _positions(group_signals["group_id"], ids)
    columns = _positions(group_signals["signal"], pa.array(signals, pa.string()))
    found = group_signals["conservative_value"].to_numpy().astype(np.float64)
    known = (rows >= 0) & (columns >= 0) & np.isfinite(found)
    values = np.full((len(ids), len(signals)), np.nan)
    values[rows[known], columns[known]] = found[known]
    proposals = groups["proposal"].to_pylist()
    kinds = zip(groups["token_kind"].to_pylist(), proposals, strict=True)
    sizes = groups["n_accounts"].to_numpy().astype(np.int64)
    return GroupMatrix(
        ids,
        np.array([family_of(kind, proposal) for kind, proposal in kinds], dtype=np.str_),
        sizes,
        groups["n_exchanges"].to_numpy().astype(np.float64) / np.maximum(sizes, 1),
        np.maximum(groups["n_tests"].to_numpy().astype(np.float64), 1.0),
        tuple(signals),
        values,
        np.array([proposal == REMAINDER for proposal in proposals], dtype=np.bool_),
    )


def _positions(values: pa.ChunkedArray, among: pa.Array) -> IntArray:
    """Position of each value in `among`, -1 where it is not there."""
    found = pc.fill_null(pc.index_in(values, value_set=among), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)

"""What each detector found: peers at their best thresholds in hindsight, stillwatch at what it decided beforehand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FALSE_RATES: Final = (1e-2, 1e-3, 1e-4)
PLAIN_CLASSES: Final = ("ordinary", "framework_adopters", "company")
"""Classes of plain accounts, which come first; every other one is a look-alike."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the accounts that sent something are.

    `campaign` names each account's campaign ("" for none). `classes` holds for each honest class the accounts of it;
    one account may be of several. `is_managed` are honest accounts of verified owners and contracts: a provider asks
    these owners, so no detector is charged for them.
    """

    account_ids: pa.Array
    campaign: npt.NDArray[np.str_]
    classes: dict[str, Flags]
    is_managed: Flags

    @property
    def is_campaign(self) -> Flags:
        """Accounts of campaigns."""
        return np.asarray(self.campaign != "")

    @property
    def is_honest(self) -> Flags:
        """Honest accounts that count."""
        return ~self.is_campaign & ~self.is_managed


def read_truth(folder: Path) -> Truth:
    """The truth of a world, for the accounts that sent something."""
    seen = pc.unique(ds.dataset(folder / "exchanges").to_table(columns=["account_id"])["account_id"])
    labels, groups = (pq.read_table(folder / f"{name}.parquet") for name in ("truth", "truth_groups"))
    labels = labels.take(pc.index_in(seen, value_set=labels["account_id"].combine_chunks()))
    accounts = pq.read_table(folder / "accounts.parquet")
    has_owner = pc.is_valid(accounts["verified_owner"])
    has_contract = pc.greater(pc.fill_null(pc.list_value_length(accounts["contract_tags"]), 0), 0)
    managed = accounts.filter(pc.or_(has_owner, has_contract))["account_id"].combine_chunks()
    campaign = np.array(pc.fill_null(labels["campaign_name"], "").to_pylist())
    both = pa.concat_tables([table.select(["account_id", "honest_class"]) for table in (labels, groups)])
    both = both.filter(pc.is_valid(both["honest_class"]))
    classes = {
        name: flags(pc.is_in(seen, value_set=both.filter(pc.equal(both["honest_class"], name))["account_id"]))
        & (campaign == "")
        for name in sorted(pc.unique(both["honest_class"]).to_pylist())
    }
    return Truth(seen, campaign, classes, flags(pc.is_in(seen, value_set=managed)) & (campaign == ""))


def flags(values: pa.Array) -> Flags:
    """An Arrow array of booleans as numpy."""
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Point:
    """What a detector accuses at one operating point.

    `threshold` is the lowest score that is accused, NaN where nobody is or where the detector decides by itself.
    """

    name: str
    is_accused: Flags
    threshold: float = np.nan


def points_in_hindsight(scores: Reals, truth: Truth) -> list[Point]:
    """The best thresholds on this very world, which nobody can know beforehand.

    For each false-positive rate the one with the most campaign accounts among those that accuse at most that share of
    honest accounts (rounded down), and the one with the best F1. Equal scores are accused together; NaN never.
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    order = order[np.isfinite(scores[order])]
    ordered = scores[order]
    hits, misses = np.cumsum(truth.is_campaign[order]), np.cumsum(truth.is_honest[order])
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True]) if len(ordered) else np.zeros(0, dtype=np.int64)
    points = []
    for rate in FALSE_RATES:
        allowed = last[misses[last] <= int(rate * truth.is_honest.sum())]
        points.append(accuse(f"FPR {rate:g}", scores, ordered[allowed[-1]] if len(allowed) else np.nan))
    f1 = 2 * hits[last] / (hits[last] + misses[last] + truth.is_campaign.sum())
    best = ordered[last[int(np.argmax(f1))]] if len(last) else np.nan
    return [*points, accuse("best F1", scores, best)]


def accuse(name: str, scores: Reals, threshold: float) -> Point:
    """Everybody with that score or more."""
    return Point(name, np.asarray(scores >= threshold), float(threshold))


def count(point: Point, truth: Truth) -> dict[str, object]:
    """Accused accounts by campaign and honest class, precision among accounts that count, and the threshold."""
    accused = point.is_accused
    n_hits, n_misses = int((accused & truth.is_campaign).sum()), int((accused & truth.is_honest).sum())
    return {
        "point": point.name,
        "threshold": None if np.isnan(point.threshold) else point.threshold,
        "campaigns": {name: of(accused, truth.campaign == name) for name in sorted(set(truth.campaign) - {""})},
        "classes": {name: of(accused, own & ~truth.is_managed) for name, own in truth.classes.items()},
        "honest": [n_misses, int(truth.is_honest.sum())],
        "managed": of(accused, truth.is_managed),
        "precision": n_hits / (n_hits + n_misses) if n_hits + n_misses else None,
    }


def of(accused: Flags, own: Flags) -> list[int]:
    """How many of these accounts are accused, and how many there are."""
    return [int((accused & own).sum()), int(own.sum())]


def peer_counts(scores: Path, truth: Truth) -> list[dict[str, object]]:
    """A peer's operating points from the file that it wrote."""
    rows = pq.read_table(scores)
    place = pc.index_in(truth.account_ids, value_set=rows["account_id"].combine_chunks())
    return [count(point, truth) for point in points_in_hindsight(rows["score"].take(place).to_numpy(), truth)]


def own_counts(found: Path, truth: Truth) -> list[dict[str, object]]:
    """Stillwatch's decisions from `accounts --format parquet`, and its score in hindsight as for a peer."""
    rows = pq.read_table(found, columns=["account_id", "tier", "score"])
    rows = rows.take(pc.index_in(truth.account_ids, value_set=rows["account_id"].combine_chunks()))
    tier = np.array(rows["tier"].to_pylist())
    fixed = [Point("fixed: accused", tier == "accuse"), Point("fixed: accused or review", tier != "none")]
    scores = pc.fill_null(rows["score"], np.nan).to_numpy()
    return [count(point, truth) for point in (*fixed, *points_in_hindsight(scores, truth))]

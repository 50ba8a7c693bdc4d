"""What became of planted campaigns and of honest people in one judged world."""

from collections import Counter

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluate.calibrate import MANAGED_SHARE
from stillwatch.evaluate.labels import MAJORITY
from stillwatch.evaluate.worlds import Judged
from stillwatch.model.tier import Tier

MANAGER_QUEUE = "account_manager"
WHOLE_TOKEN_SHARE = 0.5
"""A popular token is accused as a whole when so many of its adopters are."""

NOTABLE_SHARE = 0.05
"""A found campaign with fewer of a case's accounts is not a piece of it: a stray account does not split a campaign."""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """How the accounts of one case fared: how many there are, were accused, and were flagged at all.

    `n_pieces` is the number of found campaigns that hold a notable share of these accounts; `n_gathered` of them are in
    these, and `n_strangers` others.
    """

    case: str
    n_accounts: int
    n_accused: int
    n_flagged: int
    n_pieces: int = 0
    n_gathered: int = 0
    n_strangers: int = 0

    @property
    def recall(self) -> float:
        """Share of the accounts that were accused."""
        return self.n_accused / max(self.n_accounts, 1)

    @property
    def flagged(self) -> float:
        """Share of the accounts that were accused or sent to review."""
        return self.n_flagged / max(self.n_accounts, 1)


class ClassRow(msgspec.Struct, frozen=True):
    """Honest groups and people of one class in one world.

    `n_groups` were judged and are not under owners or contracts; `n_managed` people went to an account manager.
    """

    honest_class: str
    n_groups: int
    n_groups_accused: int
    n_groups_reviewed: int
    n_people: int
    n_people_accused: int
    n_people_reviewed: int
    n_managed: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed of a suite gave.

    `fates` are the cases; `classes` the honest classes of each judged world, of which there were `n_windows`;
    `n_honest` accounts of no campaign sent something in these, of whom `n_honest_accused` were accused. `values` are
    figures that are not counts of accounts.
    """

    seed: int
    fates: tuple[Fate, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    n_windows: int = 0
    n_honest: int = 0
    n_honest_accused: int = 0
    values: dict[str, float] = {}


def campaign_fate(judged: Judged, campaign: str, *, case: str | None = None) -> Fate:
    """How the members of a planted campaign fared; `case` is what the row is called, by default as the campaign."""
    planted = judged.truth.campaigns
    own = planted.filter(pc.equal(planted["campaign"], campaign))["account_id"].combine_chunks()
    return fate_of(case or campaign, own, judged.findings)


def fate_of(case: str, accounts: pa.Array, findings: pa.Table) -> Fate:
    """How these accounts fared according to ACCOUNT_FINDINGS rows."""
    own = findings.filter(pc.is_in(findings["account_id"], value_set=accounts))
    tiers = Counter(own["tier"].to_pylist())
    n_pieces, n_gathered, n_strangers = _pieces(len(accounts), own, findings)
    return Fate(
        case=case,
        n_accounts=len(accounts),
        n_accused=tiers[Tier.ACCUSE.value],
        n_flagged=tiers[Tier.ACCUSE.value] + tiers[Tier.REVIEW.value],
        n_pieces=n_pieces,
        n_gathered=n_gathered,
        n_strangers=n_strangers,
    )


def _pieces(n_accounts: int, own: pa.Table, findings: pa.Table) -> tuple[int, int, int]:
    """How many found campaigns hold a notable share of a case's accounts; how many of these and of others they hold."""
    inside = Counter(own["campaign_id"].drop_null().to_pylist())
    everybody = Counter(findings["campaign_id"].drop_null().to_pylist())
    pieces = [found for found, n in inside.items() if n >= NOTABLE_SHARE * n_accounts]
    gathered = sum(inside[found] for found in pieces)
    return len(pieces), gathered, sum(everybody[found] for found in pieces) - gathered


def class_rows(judged: Judged) -> list[ClassRow]:
    """How each honest class fared, in groups and in people."""
    groups = judged.scores.select(["group_id", "tier"]).join(judged.labels, "group_id", join_type="inner")
    is_honest = pc.and_(pc.less(groups["campaign_share"], MAJORITY), pc.less(groups["managed_share"], MANAGED_SHARE))
    groups = groups.filter(is_honest)
    people = _honest_people(judged)
    names = sorted({*groups["honest_class"].to_pylist(), *people["honest_class"].to_pylist()})
    return [_class_row(name, groups, people) for name in names]


def _honest_people(judged: Judged) -> pa.Table:
    """account_id, honest_class, tier, queue of every honest account; an account of two classes has two rows."""
    known = judged.truth.memberships
    planted = judged.truth.campaigns["account_id"].combine_chunks()
    honest = known.filter(pc.invert(pc.is_in(known["account_id"], value_set=planted)))
    return honest.join(judged.findings.select(["account_id", "tier", "queue"]), "account_id")


def _class_row(name: str, groups: pa.Table, people: pa.Table) -> ClassRow:
    group_tiers = groups.filter(pc.equal(groups["honest_class"], name))["tier"].to_pylist()
    own = people.filter(pc.equal(people["honest_class"], name))
    fates = list(zip(own["tier"].to_pylist(), own["queue"].to_pylist(), strict=True))
    return ClassRow(
        honest_class=name,
        n_groups=len(group_tiers),
        n_groups_accused=group_tiers.count(Tier.ACCUSE.value),
        n_groups_reviewed=group_tiers.count(Tier.REVIEW.value),
        n_people=len(fates),
        n_people_accused=sum(tier == Tier.ACCUSE.value for tier, _ in fates),
        n_people_reviewed=sum(tier == Tier.REVIEW.value and queue != MANAGER_QUEUE for tier, queue in fates),
        n_managed=sum(queue == MANAGER_QUEUE for _, queue in fates),
    )


def honest_accounts(judged: Judged) -> pa.Array:
    """Ids of the accounts of no campaign, each once, ascending."""
    planted = judged.truth.campaigns["account_id"].combine_chunks()
    known = pc.unique(judged.truth.memberships["account_id"])
    honest = known.filter(pc.invert(pc.is_in(known, value_set=planted)))
    return honest.take(pc.array_sort_indices(honest))


def popular_tokens_accused(judged: Judged) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each whole popular token: whether half of its adopters or more were accused."""
    popular = judged.groups.filter(judged.groups["is_whole_popular"])["group_id"].combine_chunks()
    members = judged.members.filter(pc.is_in(judged.members["group_id"], value_set=popular))
    accused = judged.findings.filter(pc.equal(judged.findings["tier"], Tier.ACCUSE.value))["account_id"]
    hit = pc.cast(pc.is_in(members["account_id"], value_set=accused.combine_chunks()), pa.float64())
    shares = members.append_column("hit", hit).group_by("group_id").aggregate([("hit", "mean")])
    return np.asarray(shares["hit_mean"].to_numpy() >= WHOLE_TOKEN_SHARE)

"""What is new about campaigns since it was last said: compares a run with what was announced before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.settings import Settings
from stillwatch.model.tier import Tier
from stillwatch.model.watched import WatchedCampaign

PIVOT: Final = "pivot"
"""The signal that says members turned to a new model at once."""
_RANK: Final = {Tier.NONE: 0, Tier.REVIEW: 1, Tier.ACCUSE: 2}


class ChangeKind(StrEnum):
    """What can be new about a campaign."""

    ALARM = "campaign.alarm"
    """It is accused, for the first time or again after it had ended."""
    REVIEW = "campaign.review"
    """People should look at it, for the first time or again after it had ended."""
    GROWTH = "campaign.growth"
    PIVOT = "campaign.pivot"
    SUCCESSORS = "campaign.successors"
    """New accounts began after others of it were suspended."""
    CHANGED = "campaign.changed"
    """Its tier fell or rose again, it aims at another capability, or a run no longer finds it."""
    ENDED = "campaign.ended"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is new. `row` is the campaign's row in the run, None where the run has none.

    `n_before` is its size when that was last announced, `n_new` the accounts that make the change; None where neither
    counts.
    """

    kind: ChangeKind
    campaign_id: str
    why: str
    row: Mapping[str, Any] | None = None
    n_before: int | None = None
    n_new: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What is new, in the order of campaigns, and the campaigns that are to be remembered anew."""

    changes: tuple[Change, ...]
    campaigns: tuple[WatchedCampaign, ...]


def compare(
    known: Iterable[WatchedCampaign],
    campaigns: pa.Table,
    successors: Mapping[str, int],
    *,
    at: datetime,
    settings: Settings,
) -> Compared:
    """What CAMPAIGNS of one run say that was not said before.

    `known` are campaigns as they were announced last, `successors` the number of accounts by campaign that took over
    since. Comparing the same run again with what this returned finds nothing new.
    """
    before = {campaign.campaign_id: campaign for campaign in known}
    rows = {row["campaign_id"]: row for row in campaigns.to_pylist()}
    changes: list[Change] = []
    remembered: list[WatchedCampaign] = []
    for campaign_id in sorted(before.keys() | rows.keys()):
        old, row = before.get(campaign_id), rows.get(campaign_id)
        if row is None:
            assert old is not None
            found, kept = _missing(old, at, settings)
        elif old is None or old.has_ended:
            found, kept = _fresh(row, is_back=old is not None, at=at, settings=settings)
        else:
            found, kept = _compared(old, row, successors.get(campaign_id, 0), at, settings)
        changes += found
        if kept is not None and kept != old:
            remembered.append(kept)
    return Compared(tuple(changes), tuple(remembered))


Step = tuple[list[Change], WatchedCampaign | None]


def _fresh(row: Mapping[str, Any], *, is_back: bool, at: datetime, settings: Settings) -> Step:
    """A campaign that is new, or that came back after it had ended."""
    if _is_quiet(row["last_seen_at"], at, settings):
        return [], None  # its last exchange is old already: it is history, not news
    tier = Tier(row["tier"])
    campaign = WatchedCampaign(
        campaign_id=row["campaign_id"],
        tier=tier,
        highest_tier=tier,
        n_accounts=row["n_accounts"],
        has_pivoted=_has_pivoted(row, settings),
        capabilities=tuple(row["capabilities"]),
        last_seen_at=row["last_seen_at"],
    )
    kind = ChangeKind.ALARM if tier is Tier.ACCUSE else ChangeKind.REVIEW
    changes = [Change(kind, campaign.campaign_id, "it came back" if is_back else "first found", row)]
    if campaign.has_pivoted:
        changes.append(Change(ChangeKind.PIVOT, campaign.campaign_id, "members turned to a new model at once", row))
    return changes, campaign


def _missing(old: WatchedCampaign, at: datetime, settings: Settings) -> Step:
    """A campaign that the run does not have."""
    if old.has_ended:
        return [], None
    if _is_quiet(old.last_seen_at, at, settings):
        return [Change(ChangeKind.ENDED, old.campaign_id, _silence(settings))], replace(
            old, tier=Tier.NONE, has_ended=True
        )
    if old.tier is Tier.NONE:
        return [], None
    return [Change(ChangeKind.CHANGED, old.campaign_id, "the run no longer finds it")], replace(old, tier=Tier.NONE)


def _compared(
    old: WatchedCampaign, row: Mapping[str, Any], n_successors: int, at: datetime, settings: Settings
) -> Step:
    """A campaign that was announced and that the run has too."""
    last_seen_at = max(old.last_seen_at, row["last_seen_at"])
    if _is_quiet(last_seen_at, at, settings):
        return [Change(ChangeKind.ENDED, old.campaign_id, _silence(settings), row)], replace(old, has_ended=True)
    tier, has_pivoted = Tier(row["tier"]), _has_pivoted(row, settings)
    fresh = sorted(set(row["capabilities"]) - set(old.capabilities))
    has_grown = row["n_accounts"] >= (1 + settings.growth_share) * old.n_accounts
    changes = []
    if _RANK[tier] > _RANK[old.highest_tier]:
        changes.append(Change(ChangeKind.ALARM, old.campaign_id, "it was to be reviewed before", row))
    elif tier is not old.tier:
        changes.append(Change(ChangeKind.CHANGED, old.campaign_id, f"its tier was {old.tier.value}", row))
    if fresh:
        changes.append(Change(ChangeKind.CHANGED, old.campaign_id, f"it also aims at {', '.join(fresh)}", row))
    if has_grown:
        n_new = row["n_accounts"] - old.n_accounts
        changes.append(Change(ChangeKind.GROWTH, old.campaign_id, "it has grown", row, old.n_accounts, n_new))
    if has_pivoted and not old.has_pivoted:
        changes.append(Change(ChangeKind.PIVOT, old.campaign_id, "members turned to a new model at once", row))
    if n_successors >= settings.min_successors:
        why = "new accounts began after others of it were suspended"
        changes.append(Change(ChangeKind.SUCCESSORS, old.campaign_id, why, row, old.n_accounts, n_successors))
    return changes, replace(
        old,
        tier=tier,
        highest_tier=max(tier, old.highest_tier, key=_RANK.__getitem__),
        n_accounts=row["n_accounts"] if has_grown else old.n_accounts,
        has_pivoted=has_pivoted or old.has_pivoted,
        capabilities=(*old.capabilities, *fresh),
        last_seen_at=last_seen_at,
    )


def _has_pivoted(row: Mapping[str, Any], settings: Settings) -> bool:
    p_values = dict(zip(row["signals"], row["signal_p_values"], strict=True))
    return bool(p_values.get(PIVOT, 1.0) <= settings.pivot_p_value)


def _is_quiet(last_seen_at: datetime, at: datetime, settings: Settings) -> bool:
    return at - last_seen_at >= timedelta(days=settings.quiet_days)


def _silence(settings: Settings) -> str:
    return f"no exchange of it was seen for {settings.quiet_days} days"


def count_successors(before: pa.Table, members: pa.Table, suspended: pa.Table) -> dict[str, int]:
    """New accounts by campaign that began after another account of the campaign was suspended.

    `before` and `members` are CAMPAIGN_MEMBERS of the earlier and of this run, `suspended` has `account_id, at`. An
    account counts when the earlier run did not have it in the campaign, and the first exchange that ties it to the
    campaign is later than the first suspension of another member. Innocent cause: a framework whose users come and go
    also has new users after others left; the campaign itself is what was judged.
    """
    onsets = members.group_by(["campaign_id", "account_id"]).aggregate([("first_seen_at", "min")])
    stopped = suspended.group_by("account_id").aggregate([("at", "min")])
    ended = onsets.join(stopped, "account_id", join_type="inner")
    earlier = before.group_by(["campaign_id", "account_id"]).aggregate([])
    gone = earlier.join(stopped, "account_id", join_type="inner").select(["campaign_id", "account_id", "at_min"])
    known = pa.concat_tables([ended.select(["campaign_id", "account_id", "at_min"]), gone])
    first = known.group_by("campaign_id").aggregate([("at_min", "min")])
    new = onsets.join(earlier, ["campaign_id", "account_id"], join_type="left anti").join(first, "campaign_id")
    took_over = new.filter(pc.fill_null(pc.greater(new["first_seen_at_min"], new["at_min_min"]), False))
    counted = took_over.group_by("campaign_id").aggregate([("account_id", "count")])
    return dict(zip(counted["campaign_id"].to_pylist(), counted["account_id_count"].to_pylist(), strict=True))

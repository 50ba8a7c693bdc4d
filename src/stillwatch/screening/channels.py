"""Through which doors flagged use comes: serving regions, data-centre operators, resellers, marketplaces."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from stillwatch.screening.network import Classified, NetworkKind, NetworkList, classify
from stillwatch.screening.ranges import Network
from stillwatch.stats.intervals import wilson


class Door(StrEnum):
    """What a channel is."""

    REGION = "serving region"
    OPERATOR = "operator"
    RESELLER = "reseller"
    MARKETPLACE = "marketplace"


@dataclass(frozen=True, slots=True)
class Use:
    """Exchanges of one account through one channel. `named_by` are peers whose indicators name it."""

    door: Door
    channel: str
    account_id: str
    n_exchanges: int
    named_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """What came through one channel.

    `flagged_share` is the share of accounts that are accused or in review; `low` and `high` bound it at 95 %.
    `lift` is the ratio to the share among all accounts, None where that is zero. `n_held` and `n_review` count what
    screening says; `named_by` are peers whose indicators in force name the channel's network.
    """

    door: Door
    channel: str
    n_accounts: int
    n_flagged: int
    n_exchanges: int
    n_flagged_exchanges: int
    flagged_share: float
    low: float
    high: float
    lift: float | None
    n_held: int
    n_review: int
    named_by: tuple[str, ...] = ()


def doors(
    row: Mapping[str, Any],
    network: Network | None,
    lists: Sequence[NetworkList],
    named: Mapping[int, tuple[str, ...]],
) -> Iterator[Use]:
    """The channels of one row of uses.

    `network` is where its exchanges came from (None: not known), `lists` say of which kind an operator is, and `named`
    which peers name a network by its number.
    """
    account, n = row["account_id"], row["n_exchanges"]
    if row["cloud_region"]:
        yield Use(Door.REGION, row["cloud_region"], account, n)
    if network is not None:
        yield Use(Door.OPERATOR, _operator(classify(network, lists)), account, n, named.get(network.asn, ()))
    if row["access_channel"] == "reseller" and row["org_id"]:
        yield Use(Door.RESELLER, row["org_id"], account, n)
    if row["access_channel"] == "marketplace":
        yield Use(Door.MARKETPLACE, row["provider_name"] or "not named", account, n)


def _operator(one: Classified) -> str:
    name = f" {one.network.operator}" if one.network.operator else ""
    kind = "" if one.kind is NetworkKind.UNKNOWN else f" ({one.kind}, {one.sureness})"
    return f"AS{one.network.asn}{name}{kind}"


def channels(
    uses: Iterable[Use], *, flagged: frozenset[str], screened: Mapping[str, str], overall_share: float
) -> list[Channel]:
    """What came through each channel, most flagged exchanges first within each kind of door.

    An account that used two channels counts in both. The interval is Wilson's and takes accounts as independent;
    accounts of one campaign are not, so a channel that one campaign used has a wider one in truth.
    """
    rows: dict[tuple[Door, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    named: dict[tuple[Door, str], tuple[str, ...]] = {}
    for use in uses:
        rows[use.door, use.channel][use.account_id] += use.n_exchanges
        named[use.door, use.channel] = use.named_by
    found = [
        replace(_channel(door, name, counts, flagged, screened, overall_share), named_by=named[door, name])
        for (door, name), counts in rows.items()
    ]
    return sorted(found, key=lambda one: (one.door, -one.n_flagged_exchanges, -one.n_exchanges, one.channel))


def _channel(
    door: Door,
    name: str,
    counts: Mapping[str, int],
    flagged: frozenset[str],
    screened: Mapping[str, str],
    overall_share: float,
) -> Channel:
    bad = [account for account in counts if account in flagged]
    share = len(bad) / len(counts)
    low, high = wilson(len(bad), len(counts))
    levels = [screened.get(account) for account in counts]
    return Channel(
        door=door,
        channel=name,
        n_accounts=len(counts),
        n_flagged=len(bad),
        n_exchanges=sum(counts.values()),
        n_flagged_exchanges=sum(counts[account] for account in bad),
        flagged_share=share,
        low=low,
        high=high,
        lift=share / overall_share if overall_share else None,
        n_held=levels.count("hold"),
        n_review=levels.count("review"),
    )

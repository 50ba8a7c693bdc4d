"""The rows that the campaigns stage writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.evidence import encode, exchanges_by_pair
from stillwatch.campaigns.gather import SLICE_COLUMNS, Evidence
from stillwatch.campaigns.history import History
from stillwatch.campaigns.membership import ACCOUNT_MANAGER, ACCUSE, HELD_BACK, Members
from stillwatch.model.capability import CAPABILITIES
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_FINDINGS, CAMPAIGN_MEMBERS, CAMPAIGNS

IntArray = npt.NDArray[np.int64]

MIN_CAPABILITY_SHARE = 0.1
"""A campaign names the capabilities that make up at least this share of its exchanges."""

TIER_NAMES = ("none", "review", "accuse")
NAMED_BY_PEER = "peer_indicator"
"""The reason of a finding that is to be reviewed only because a peer's indicator names the group's token."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One account of one campaign. `group` is the row of its best group, None when an exclusive token brought it in.

    `held_back` is a code of HELD_BACK.
    """

    account_id: str
    campaign: int
    tier: int
    group: int | None
    n_flagged: int
    held_back: int


@dataclass(frozen=True, slots=True)
class Reasons:
    """The signals that speak against a group, strongest first, with their p-values and what each adds to the score."""

    signals: list[str]
    p_values: list[float]
    contributions: list[float]


def reasons_of(groups: pa.Table, row: int) -> Reasons:
    """The reasons of one group, without signals that add nothing to the score or say nothing (p of 0.5 or more)."""
    columns = (groups[name][row].as_py() for name in ("contributions", "signals", "p_values"))
    kept = [(c, name, p) for c, name, p in zip(*columns, strict=True) if p is not None and p < 0.5 and c > 0]
    kept.sort(key=lambda reason: (-reason[0], reason[1]))
    return Reasons([name for _, name, _ in kept], [p for _, _, p in kept], [c for c, _, _ in kept])


@dataclass(frozen=True, slots=True)
class Told:
    """What a campaign's row says beside its groups.

    `bins` are the capability bins of flagged slices (`slice_id, bin, n`), `kinds` the kind of each calibration id,
    `joined` the slices of accounts that exclusive tokens brought in.
    """

    bins: pa.Table
    kinds: dict[str, str]
    joined: pa.Table


def campaign_table(
    run: Run, evidence: Evidence, members: Members, found: Sequence[Finding], ids: Sequence[str], told: Told
) -> pa.Table:
    """CAMPAIGNS rows, one for each campaign that has a member, best score first; `found` are findings of all accounts.

    Accounts that exclusive tokens brought in count like all others.
    """
    inside = members.of_pairs(evidence.campaign, evidence.account)
    by_campaign: dict[int, list[Finding]] = {}
    for finding in found:
        by_campaign.setdefault(finding.campaign, []).append(finding)
    rows = [
        {
            "run_id": run.run_id,
            "campaign_id": ids[number],
            **_of_groups(evidence, np.unique(evidence.group[inside & (evidence.campaign == number)]), told.kinds),
            **_of_accounts(by_campaign[number], _slices(evidence, inside, number, told), told.bins),
        }
        for number in np.unique(members.campaign).tolist()
    ]
    rows.sort(key=lambda row: (-float(row["score"]), str(row["campaign_id"])))
    return pa.Table.from_pylist(rows, schema=CAMPAIGNS.schema)


def _slices(evidence: Evidence, inside: npt.NDArray[np.bool_], number: int, told: Told) -> pa.Table:
    """The slices of one campaign's members and of those that exclusive tokens brought in."""
    links = evidence.links.filter(pa.array(inside & (evidence.campaign == number))).select(SLICE_COLUMNS)
    brought = told.joined.filter(pc.equal(told.joined["campaign"], number)).select(SLICE_COLUMNS)
    return pa.concat_tables([links, brought.cast(links.schema)])


def _of_accounts(found: Sequence[Finding], slices: pa.Table, bins: pa.Table) -> dict[str, object]:
    account = encode(slices["account_id"]).codes
    return {
        "tier": TIER_NAMES[max(finding.tier for finding in found)],
        "n_accounts": len(found),
        "n_exchanges": sum(finding.n_flagged for finding in found),
        "input_tokens": _summed(account, slices, "input_tokens"),
        "output_tokens": _summed(account, slices, "output_tokens"),
        "first_seen_at": pc.min(slices["first_seen_at"]).as_py(),
        "last_seen_at": pc.max(slices["last_seen_at"]).as_py(),
        "capabilities": _capabilities(slices, bins),
        "token_kinds": sorted(set(slices["token_kind"].to_pylist())),
    }


def _of_groups(evidence: Evidence, group_rows: IntArray, kinds: dict[str, str]) -> dict[str, object]:
    """What the campaign's best group says for it."""
    scores = evidence.groups["score"].to_numpy()[group_rows]
    best = int(group_rows[np.argmax(scores)])
    group = {name: evidence.groups[name][best].as_py() for name in evidence.groups.column_names}
    reasons = reasons_of(evidence.groups, best)
    return {
        "signals": reasons.signals,
        "signal_p_values": reasons.p_values,
        "signal_contributions": reasons.contributions,
        **{name: group[name] for name in ("nearest_lookalike", "margin", "score", "baseline", "p_value", "q_value")},
        "calibration": kinds.get(group["calibration_id"], "shipped"),
        "calibration_id": group["calibration_id"],
        "best_group_id": group["group_id"],
        "n_groups": int(group_rows.size),
    }


def _summed(account: IntArray, slices: pa.Table, name: str) -> int:
    return int(exchanges_by_pair(account, slices, name, int(account.max()) + 1).sum())


def flagged_exchanges(members: pa.Table) -> dict[str, int]:
    """Exchanges inside flagged slices by account, from the CAMPAIGN_MEMBERS rows of one campaign."""
    accounts = encode(members["account_id"])
    slices = members.append_column("slice_id", pa.array(np.arange(members.num_rows)))
    n = exchanges_by_pair(accounts.codes, slices, "n", len(accounts.values))
    return dict(zip(accounts.values, n.tolist(), strict=True))


def _capabilities(slices: pa.Table, bins: pa.Table) -> list[str]:
    chosen = np.isin(bins["slice_id"].to_numpy(), slices["slice_id"].to_numpy())
    counts = np.bincount(
        bins["bin"].to_numpy()[chosen], weights=bins["n"].to_numpy()[chosen], minlength=len(CAPABILITIES)
    )
    order = np.argsort(-counts, kind="stable")
    total = counts.sum()
    return [
        CAPABILITIES[code].value for code in order.tolist() if total and counts[code] >= MIN_CAPABILITY_SHARE * total
    ]


def member_table(run: Run, evidence: Evidence, members: Members, ids: Sequence[str], joined: pa.Table) -> pa.Table:
    """CAMPAIGN_MEMBERS rows: the slices that are the evidence against each member, joined accounts included."""
    inside = members.of_pairs(evidence.campaign, evidence.account)
    columns = ("account_id", "token_kind", "token", "n", "first_seen_at", "last_seen_at")
    direct = evidence.links.filter(pa.array(inside)).select(columns)
    direct = direct.add_column(0, "campaign", pa.array(evidence.campaign[inside]))
    both = pa.concat_tables([direct, joined.select(direct.column_names)], promote_options="permissive")
    keys = ["campaign", "account_id", "token_kind", "token"]
    slices = both.group_by(keys, use_threads=False).aggregate(
        [("n", "max"), ("first_seen_at", "min"), ("last_seen_at", "max")]
    )
    rows = {
        "run_id": [run.run_id] * slices.num_rows,
        "campaign_id": [ids[number] for number in slices["campaign"].to_pylist()],
        **{name: slices[name] for name in keys[1:]},
        "n": slices["n_max"],
        "first_seen_at": slices["first_seen_at_min"],
        "last_seen_at": slices["last_seen_at_max"],
    }
    table = pa.table(rows, schema=CAMPAIGN_MEMBERS.schema)
    return table.sort_by([(name, "ascending") for name in ("campaign_id", *keys[1:])])


def finding_table(
    run: Run,
    evidence: Evidence,
    found: Sequence[Finding],
    ids: Sequence[str],
    history: History,
    volumes: dict[str, int],
) -> pa.Table:
    """ACCOUNT_FINDINGS rows: each flagged account once, in the campaign where its finding is strongest.

    Accounts without a finding have no row. `volumes` are all exchanges of each flagged account in the window.
    """
    best: dict[str, Finding] = {}
    for finding in found:
        known = best.get(finding.account_id)
        if known is None or _strength(evidence, finding) > _strength(evidence, known):
            best[finding.account_id] = finding
    rows = [
        _finding_row(run, evidence, finding, ids[finding.campaign], history.first_flagged.get(account_id), volumes)
        for account_id, finding in sorted(best.items())
    ]
    return pa.Table.from_pylist(rows, schema=ACCOUNT_FINDINGS.schema)


def _strength(evidence: Evidence, finding: Finding) -> tuple[int, float]:
    score = float("-inf") if finding.group is None else evidence.groups["score"][finding.group].as_py()
    return finding.tier, score


def _finding_row(
    run: Run,
    evidence: Evidence,
    finding: Finding,
    campaign_id: str,
    first_flagged: datetime | None,
    volumes: dict[str, int],
) -> dict[str, object]:
    group = finding.group
    queue = "enforcement" if finding.tier == ACCUSE else "review"
    return {
        "run_id": run.run_id,
        "account_id": finding.account_id,
        "tier": TIER_NAMES[finding.tier],
        "campaign_id": campaign_id,
        "score": None if group is None else evidence.groups["score"][group].as_py(),
        "p_value": None if group is None else evidence.groups["p_value"][group].as_py(),
        "q_value": None if group is None else evidence.groups["q_value"][group].as_py(),
        "first_flagged_at": first_flagged or run.window.end,
        "reasons": _account_reasons(evidence, group),
        "queue": "account_manager" if finding.held_back == ACCOUNT_MANAGER else queue,
        "held_back": HELD_BACK[finding.held_back],
        "n_exchanges": volumes.get(finding.account_id, finding.n_flagged),
        "n_flagged_exchanges": finding.n_flagged,
    }


def _account_reasons(evidence: Evidence, group: int | None) -> list[str]:
    if group is None:
        return ["exclusive_token"]
    lifted = [NAMED_BY_PEER] if evidence.groups["is_lifted"][group].as_py() else []
    return [*lifted, *reasons_of(evidence.groups, group).signals]

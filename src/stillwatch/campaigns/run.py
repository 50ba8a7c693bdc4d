"""The campaigns stage: flagged groups in, campaigns, members and account findings out."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.evidence import encode, exchanges_by_pair
from stillwatch.campaigns.exclusive import joiner_tiers, joiners
from stillwatch.campaigns.findings import Finding, Told, campaign_table, finding_table, member_table
from stillwatch.campaigns.gather import Evidence, gather
from stillwatch.campaigns.groups import flagged_values, group_table
from stillwatch.campaigns.history import History, read_history
from stillwatch.campaigns.membership import (
    ACCOUNT_MANAGER,
    REVIEW,
    Members,
    hand_to_account_manager,
    owners,
    settle_members,
)
from stillwatch.campaigns.settings import Settings
from stillwatch.campaigns.track import Trace, assign_ids
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CALIBRATIONS,
    CAMPAIGN_GROUPS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    JUDGEMENTS,
    SLICE_BINS,
    SLICES,
    TEXT,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

WANTED_ACCOUNTS = Table(
    name="wanted_accounts",
    made_by="campaigns",
    key=("account_id",),
    home=Home.RUN,
    schema=pa.schema([column("account_id", TEXT, required=True)]),
)
"""Accounts that a question to the engine is about."""

READS: tuple[Table, ...] = (
    ACCOUNT_DAYS, ACCOUNTS, SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS, GROUP_SIGNALS, GROUP_SCORES, CALIBRATIONS,
    CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS, JUDGEMENTS,
)  # fmt: skip
WRITES: tuple[Table, ...] = (CAMPAIGNS, CAMPAIGN_GROUPS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """Campaigns, their members and the flagged accounts of one detection run.

    CAMPAIGN_MEMBERS and ACCOUNT_FINDINGS are also read: earlier runs give ids and first dates. What a person judged
    honest (JUDGEMENTS) is not found again; only CAMPAIGN_MEMBERS keeps such campaigns, so that later runs know them.
    """
    evidence = gather(tables, engine, settings)
    history = read_history(tables, engine)
    members = _unmanaged_members(evidence, tables, engine, settings)
    ids = _ids(evidence, members, history, settings)
    honest = np.asarray([campaign_id in history.honest_campaigns for campaign_id in ids], dtype=bool)
    cleared = np.asarray([account_id in history.honest_accounts for account_id in evidence.accounts], dtype=bool)
    remembered = members.where(~cleared[members.account]) if members.tier.size else members
    members = remembered.where(~honest[remembered.campaign]) if remembered.tier.size else remembered
    joined = _not_honest(joiners(tables, engine, evidence, members, settings), history)
    found = [*_direct(evidence, members), *_brought_in(joined, members, tables, engine)]
    told = Told(_capability_bins(tables, engine), _kinds(tables, engine), joined)
    volumes = _volumes(tables, engine, {finding.account_id for finding in found})
    rows = {
        CAMPAIGNS: campaign_table(run, evidence, members, found, ids, told),
        CAMPAIGN_GROUPS: group_table(run, evidence, members, ids, flagged_values(tables, engine)),
        CAMPAIGN_MEMBERS: member_table(run, evidence, remembered, ids, joined),
        ACCOUNT_FINDINGS: finding_table(run, evidence, found, ids, history, volumes),
    }
    return {table.name: engine.from_arrow(table, content) for table, content in rows.items()}


def _unmanaged_members(evidence: Evidence, tables: Tables, engine: Engine, settings: Settings) -> Members:
    members = settle_members(evidence, settings)
    owner, contract = owners(_account_rows(tables, engine, evidence.accounts), evidence.accounts)
    return hand_to_account_manager(members, owner, contract, settings)


def _account_rows(tables: Tables, engine: Engine, ids: tuple[str, ...]) -> pa.Table:
    accounts = _of(tables["accounts"], ids, engine)
    owned = accounts.verified_owner.notnull() | (accounts.contract_tags.length() > 0)
    return engine.to_arrow(accounts.filter(owned).select("account_id", "as_of", "verified_owner", "contract_tags"))


def _of(rows: "ir.Table", ids: Iterable[str], engine: Engine) -> "ir.Table":
    """`rows` of these accounts; compared in the engine, because both sides may be many."""
    wanted = pa.table({"account_id": sorted(ids)}, schema=WANTED_ACCOUNTS.schema)
    return rows.semi_join(engine.from_arrow(WANTED_ACCOUNTS, wanted), "account_id")


def _ids(evidence: Evidence, members: Members, history: History, settings: Settings) -> list[str]:
    inside = members.of_pairs(evidence.campaign, evidence.account)
    accounts: list[set[str]] = [set() for _ in range(evidence.n_campaigns)]
    tokens: list[set[str]] = [set() for _ in range(evidence.n_campaigns)]
    kinds, values = evidence.links["token_kind"].to_pylist(), evidence.links["token"].to_pylist()
    for row in np.flatnonzero(inside).tolist():
        accounts[evidence.campaign[row]].add(evidence.accounts[evidence.account[row]])
        tokens[evidence.campaign[row]].add(f"{kinds[row]}:{values[row]}")
    found = [Trace(frozenset(a), frozenset(t)) for a, t in zip(accounts, tokens, strict=True)]
    return assign_ids(found, history.traces, settings)


def _direct(evidence: Evidence, members: Members) -> list[Finding]:
    columns = (members.campaign, members.account, members.tier, members.group, members.n_exchanges, members.held_back)
    return [
        Finding(evidence.accounts[account], campaign, tier, group, n, held_back)
        for campaign, account, tier, group, n, held_back in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _not_honest(joined: pa.Table, history: History) -> pa.Table:
    honest = pa.array(sorted(history.honest_accounts), pa.string())
    return joined.filter(pc.invert(pc.is_in(joined["account_id"], value_set=honest)))


def _brought_in(joined: pa.Table, members: Members, tables: Tables, engine: Engine) -> list[Finding]:
    tiers = joiner_tiers(joined, members)
    ids = tuple(sorted({account_id for _, account_id in tiers}))
    owner, contract = owners(_account_rows(tables, engine, ids), ids)
    held_back = dict(zip(ids, np.where((owner >= 0) | contract, ACCOUNT_MANAGER, 0).tolist(), strict=True))
    names = pc.binary_join_element_wise(pc.cast(joined["campaign"], pa.string()), joined["account_id"], "/")
    pairs = encode(names)
    n = exchanges_by_pair(pairs.codes, joined, "n", len(pairs.values))
    n_by_pair = dict(zip(pairs.values, n.tolist(), strict=True))
    found = [
        Finding(account_id, campaign, tier, None, n_by_pair[f"{campaign}/{account_id}"], held_back[account_id])
        for (campaign, account_id), tier in tiers.items()
    ]
    return [replace(finding, tier=REVIEW) if finding.held_back else finding for finding in found]


def _volumes(tables: Tables, engine: Engine, flagged: set[str]) -> dict[str, int]:
    days = _of(tables["account_days"], flagged, engine)
    rows = engine.to_arrow(days.group_by("account_id").agg(n=days.n.sum()))
    return dict(zip(rows["account_id"].to_pylist(), rows["n"].to_pylist(), strict=True))


def _capability_bins(tables: Tables, engine: Engine) -> pa.Table:
    scores, bins = tables["group_scores"], tables["slice_bins"]
    flagged = tables["group_members"].semi_join(scores.filter(scores.tier != "none"), "group_id")
    return engine.to_arrow(
        bins.filter(bins.axis == "capability").semi_join(flagged, "slice_id").select("slice_id", "bin", "n")
    )


def _kinds(tables: Tables, engine: Engine) -> dict[str, str]:
    rows = engine.to_arrow(tables["calibrations"].select("calibration_id", "kind"))
    return dict(zip(rows["calibration_id"].to_pylist(), rows["kind"].to_pylist(), strict=True))

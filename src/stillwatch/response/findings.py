"""What stored findings, accounts and judgements say, as the cases that rules look at."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.decision import token_family
from stillwatch.model.tier import Tier
from stillwatch.response.plan import Facts
from stillwatch.response.rules import Case

HONEST = "honest"


@dataclass(frozen=True, slots=True)
class Honest:
    """What the last judgement of a person called honest."""

    accounts: frozenset[str]
    campaigns: frozenset[str]


def honest(judgements: pa.Table) -> Honest:
    """Accounts and campaigns whose last judgement is `honest`; JUDGEMENTS come earliest first."""
    subjects = zip(judgements["subject_kind"].to_pylist(), judgements["subject_id"].to_pylist(), strict=True)
    last = dict(zip(subjects, judgements["verdict"].to_pylist(), strict=True))
    said = [subject for subject, verdict in last.items() if verdict == HONEST]
    return Honest(
        accounts=frozenset(subject for kind, subject in said if kind == "account"),
        campaigns=frozenset(subject for kind, subject in said if kind == "campaign"),
    )


def managed(accounts: pa.Table) -> dict[str, str]:
    """Why no rule may touch an account by itself, by account: ACCOUNTS rows, of which the latest snapshot counts."""
    ordered = accounts.sort_by([("as_of", "ascending")])
    owned = pc.and_kleene(pc.is_valid(ordered["verified_owner"]), pc.not_equal(ordered["verified_owner"], ""))
    tagged = pc.greater(pc.fill_null(pc.list_value_length(ordered["contract_tags"]), 0), 0)
    reason = pc.if_else(tagged, "under contract", pc.if_else(pc.fill_null(owned, False), "verified owner", None))
    last = dict(zip(ordered["account_id"].to_pylist(), reason.to_pylist(), strict=True))
    return {account_id: why for account_id, why in last.items() if why is not None}


def facts(
    run: Mapping[str, object],
    tables: Mapping[str, pa.Table],
    *,
    owners: Mapping[str, str],
    judged: Honest,
) -> Facts:
    """The facts of one run: its DETECTION_RUNS row, and its CAMPAIGNS, CAMPAIGN_MEMBERS and ACCOUNT_FINDINGS by name.

    An account that the run itself gave to an account manager is managed too.
    """
    campaigns = {row["campaign_id"]: row for row in tables["campaigns"].to_pylist()}
    n_kinds = _independent_kinds(tables["campaign_members"])
    findings = tables["account_findings"].to_pylist()
    by_run = {row["account_id"]: "one owner's fleet" for row in findings if row["queue"] == "account_manager"}
    n_customers = run["n_accounts"]
    assert isinstance(n_customers, int)
    return Facts(
        run_id=str(run["run_id"]),
        calibration_id=str(run["calibration_id"]),
        n_customers=n_customers,
        accounts=tuple(_account_case(row, campaigns, n_kinds) for row in findings if row["tier"] != Tier.NONE.value),
        campaigns=tuple(_campaign_case(row) for row in campaigns.values()),
        managed={**by_run, **owners},
        honest_accounts=judged.accounts,
        honest_campaigns=judged.campaigns,
    )


def _account_case(
    row: Mapping[str, object], campaigns: Mapping[str, Mapping[str, object]], n_kinds: Mapping[tuple[str, str], int]
) -> Case:
    account_id, campaign_id = str(row["account_id"]), str(row["campaign_id"])
    campaign = campaigns.get(campaign_id, {})
    return Case(
        account_id=account_id,
        campaign_id=campaign_id,
        tier=Tier(row["tier"]),
        n_token_kinds=n_kinds.get((campaign_id, account_id), 0),
        capabilities=frozenset(_texts(campaign.get("capabilities"))),
        score=_number(row["score"]),
        q_value=_number(row["q_value"]),
        reasons=tuple(_texts(row["reasons"])),
    )


def _campaign_case(row: Mapping[str, object]) -> Case:
    return Case(
        account_id=None,
        campaign_id=str(row["campaign_id"]),
        tier=Tier(row["tier"]),
        n_token_kinds=0,
        capabilities=frozenset(_texts(row["capabilities"])),
        score=_number(row["score"]),
        q_value=_number(row["q_value"]),
        reasons=("exclusive_token",),
    )


def _independent_kinds(members: pa.Table) -> dict[tuple[str, str], int]:
    """Independent kinds of tokens by (campaign, account), from CAMPAIGN_MEMBERS."""
    kinds = pc.unique(members["token_kind"]).to_pylist()
    families = pa.array([token_family(kind) for kind in kinds], pa.string())
    family = families.take(pc.index_in(members["token_kind"], value_set=pa.array(kinds, pa.string())))
    rows = members.select(["campaign_id", "account_id"]).append_column("family", family)
    counted = rows.group_by(["campaign_id", "account_id"]).aggregate([("family", "count_distinct")])
    keys = zip(counted["campaign_id"].to_pylist(), counted["account_id"].to_pylist(), strict=True)
    return dict(zip(keys, counted["family_count_distinct"].to_pylist(), strict=True))


def _texts(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None

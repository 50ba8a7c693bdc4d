"""What earlier runs found and what people said about it."""

from dataclasses import dataclass, field
from datetime import datetime

from stillwatch.campaigns.track import Trace
from stillwatch.engines import Engine
from stillwatch.model.stage import Tables


@dataclass(frozen=True, slots=True)
class History:
    """Known campaigns by id, when each account was first flagged, and what a person judged honest."""

    traces: dict[str, Trace] = field(default_factory=dict)
    first_flagged: dict[str, datetime] = field(default_factory=dict)
    honest_campaigns: frozenset[str] = frozenset()
    honest_accounts: frozenset[str] = frozenset()


def read_history(tables: Tables, engine: Engine) -> History:
    """The history that the stored campaigns, findings and judgements tell; the last judgement of a subject counts."""
    members = engine.to_arrow(
        tables["campaign_members"].select("campaign_id", "account_id", "token_kind", "token").distinct()
    )
    accounts: dict[str, set[str]] = {}
    tokens: dict[str, set[str]] = {}
    for campaign_id, account_id, kind, token in zip(*(column.to_pylist() for column in members.columns), strict=True):
        accounts.setdefault(campaign_id, set()).add(account_id)
        tokens.setdefault(campaign_id, set()).add(f"{kind}:{token}")
    findings = tables["account_findings"]
    flagged = engine.to_arrow(findings.group_by("account_id").agg(first=findings.first_flagged_at.min()))
    verdicts = _last_verdicts(tables, engine)
    return History(
        traces={key: Trace(frozenset(accounts[key]), frozenset(tokens[key])) for key in accounts},
        first_flagged=dict(zip(flagged["account_id"].to_pylist(), flagged["first"].to_pylist(), strict=True)),
        honest_campaigns=frozenset(
            subject for (kind, subject), said in verdicts.items() if (kind, said) == ("campaign", "honest")
        ),
        honest_accounts=frozenset(
            subject for (kind, subject), said in verdicts.items() if (kind, said) == ("account", "honest")
        ),
    )


def _last_verdicts(tables: Tables, engine: Engine) -> dict[tuple[str, str], str]:
    rows = engine.to_arrow(tables["judgements"]).sort_by([("judged_at", "ascending"), ("judgement_id", "ascending")])
    subjects = zip(rows["subject_kind"].to_pylist(), rows["subject_id"].to_pylist(), strict=True)
    return dict(zip(subjects, rows["verdict"].to_pylist(), strict=True))

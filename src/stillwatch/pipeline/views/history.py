"""What happened to a campaign: the runs that found it, what people said, and what was done about it."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.tables import CAMPAIGNS, DETECTION_RUNS
from stillwatch.model.tables.views import CAMPAIGN_HISTORY
from stillwatch.pipeline.views.shelf import Row, Shelf
from stillwatch.store.decisions import Decisions

_OF_RUN = ("n_accounts", "n_exchanges", "score", "q_value")


def campaign_history(shelf: Shelf, campaign_id: str, now: datetime) -> pa.Table:
    """CAMPAIGN_HISTORY, oldest first; empty where no run ever found the campaign and nobody spoke of it."""
    rows = [*_runs(shelf, campaign_id), *_judgements(shelf, campaign_id), *_decisions(shelf, campaign_id, now)]
    found = pa.Table.from_pylist(rows, schema=CAMPAIGN_HISTORY)
    return found.sort_by(
        [("at", "ascending"), ("kind", "ascending"), ("reference", "ascending"), ("what", "ascending")]
    )


def _runs(shelf: Shelf, campaign_id: str) -> Iterator[Row]:
    as_of = {row["run_id"]: row["as_of"] for row in shelf.rows(DETECTION_RUNS).select(["run_id", "as_of"]).to_pylist()}
    campaigns = shelf.rows(CAMPAIGNS)
    for row in campaigns.filter(pc.equal(campaigns["campaign_id"], campaign_id)).to_pylist():
        if row["run_id"] in as_of:
            said = {"at": as_of[row["run_id"]], "kind": "run", "reference": row["run_id"], "what": row["tier"]}
            yield said | {name: row[name] for name in _OF_RUN}


def _judgements(shelf: Shelf, campaign_id: str) -> Iterator[Row]:
    rows = shelf.workspace.state.judgements(None)
    for row in rows.filter(pc.equal(rows["subject_id"], campaign_id)).to_pylist():
        yield {
            "at": row["judged_at"], "kind": "judgement", "reference": row["judgement_id"], "what": row["verdict"],
            "author": row["author"], "note": row["note"],
        }  # fmt: skip


def _decisions(shelf: Shelf, campaign_id: str, now: datetime) -> Iterator[Row]:
    """One row for what one batch decided alike, and one for what became of decisions in one act."""
    stored = Decisions(shelf.workspace.state, shelf.workspace.ledger)
    decided = stored.history(now)
    mine = decided.filter(pc.equal(decided["campaign_id"], campaign_id)).to_pylist()
    batches = Counter((row["decided_at"], row["batch_id"], f"{row['action']} ({row['mode']})", row["approved_by"],
                       row["rule"]) for row in mine)  # fmt: skip
    for (at, batch_id, what, author, rule), n in batches.items():
        yield {"at": at, "kind": "decision", "reference": batch_id, "what": what, "author": author,
               "note": f"rule {rule}", "n_accounts": n}  # fmt: skip
    ids = {row["decision_id"] for row in mine}
    acts: Counter[tuple[datetime, str, str, str]] = Counter()
    first: dict[tuple[datetime, str, str, str], str] = {}
    for event in stored.events().to_pylist():
        if event["decision_id"] in ids:
            act = (event["happened_at"], event["kind"], event["author"], event["note"])
            acts[act] += 1
            first.setdefault(act, event["event_id"])
    for (at, kind, author, note), n in acts.items():
        yield {"at": at, "kind": "event", "reference": first[at, kind, author, note], "what": kind, "author": author,
               "note": note, "n_accounts": n}  # fmt: skip

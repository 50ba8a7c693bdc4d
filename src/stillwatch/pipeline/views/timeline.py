"""A campaign day by day: what it sent, who joined it, who was suspended and who came after, on which models."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.decision import Action
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNT_EVENTS
from stillwatch.model.tables.views import CAMPAIGN_DAYS
from stillwatch.pipeline.detection import window_tables
from stillwatch.pipeline.views.flagged import flagged_days
from stillwatch.pipeline.views.shelf import Shelf
from stillwatch.store.decisions import Decisions

if TYPE_CHECKING:
    import ibis.expr.types as ir

SUSPENDED: Final = "suspended"


def campaign_days(shelf: Shelf, run: Run, members: pa.Table) -> pa.Table:
    """CAMPAIGN_DAYS of every day of the run's window; `members` are the CAMPAIGN_MEMBERS of one campaign."""
    with shelf.engine() as engine:
        tables = window_tables(shelf.workspace.lake.snapshot(), run, engine=engine, config=shelf.config)
        flagged = engine.materialize(flagged_days(tables, members, engine))
        sums = flagged.group_by("day").agg(n_exchanges=flagged.n.sum(), n_accounts=flagged.count())
        active = engine.to_arrow(sums).to_pylist()
        models = engine.to_arrow(_models(tables[ACCOUNT_DAYS.name], flagged)).to_pylist()
    onsets = _onsets(members)
    stopped = _suspensions(shelf, run, set(onsets))
    joined = _per_day(onsets.values())
    left = _per_day(stopped.values())
    took_over = _per_day(_successors(onsets, stopped))
    by_day = {row["day"]: row for row in active}
    rows = [
        {
            "day": day,
            "n_exchanges": by_day.get(day, {}).get("n_exchanges", 0),
            "n_accounts": by_day.get(day, {}).get("n_accounts", 0),
            "n_new_accounts": joined.get(day, 0),
            "n_suspended": left.get(day, 0),
            "n_successors": took_over.get(day, 0),
            **_of_day(models, day),
        }
        for day in run.window.days()
    ]
    return pa.Table.from_pylist(rows, schema=CAMPAIGN_DAYS)


def _models(days: "ir.Table", flagged: "ir.Table") -> "ir.Table":
    """`day, model, n`: active accounts by request model."""
    used = days.semi_join(flagged, ["day", "account_id"]).select("day", "account_id", model=days.models.unnest())
    return used.group_by("day", "model").agg(n=used.count())


def _of_day(models: list[dict[str, Any]], day: date) -> dict[str, list[Any]]:
    mine = sorted((row["model"], row["n"]) for row in models if row["day"] == day)
    return {"models": [model for model, _ in mine], "model_accounts": [n for _, n in mine]}


def _onsets(members: pa.Table) -> dict[str, datetime]:
    """When the first slice of each account began."""
    first = members.group_by("account_id").aggregate([("first_seen_at", "min")])
    return dict(zip(first["account_id"].to_pylist(), first["first_seen_at_min"].to_pylist(), strict=True))


def _suspensions(shelf: Shelf, run: Run, accounts: set[str]) -> dict[str, datetime]:
    """When each of the accounts was first suspended within the window, by an event or by a decision."""
    snapshot = shelf.workspace.lake.snapshot()
    days = [str(day) for day in run.window.days() if str(day) in snapshot.partitions(ACCOUNT_EVENTS)]
    events = shelf.rows(ACCOUNT_EVENTS, days)
    events = events.filter(pc.equal(events["event_name"], SUSPENDED))
    decided = Decisions(shelf.workspace.state, shelf.workspace.ledger).history(run.window.end)
    acts = pc.and_(pc.equal(decided["action"], Action.SUSPEND.value), pc.not_equal(decided["mode"], "shadow"))
    decided = decided.filter(acts)
    found: dict[str, datetime] = {}
    for rows, time in ((events, "event_time"), (decided, "decided_at")):
        for account_id, at in zip(rows["account_id"].to_pylist(), rows[time].to_pylist(), strict=True):
            if account_id in accounts and run.window.start <= at < run.window.end:
                found[account_id] = min(at, found.get(account_id, at))
    return found


def _successors(onsets: dict[str, datetime], stopped: dict[str, datetime]) -> list[datetime]:
    """Onsets of accounts that began after another member was suspended, as `campaigns.count_successors` counts them."""
    if not stopped:
        return []
    first = min(stopped.values())
    return [at for at in onsets.values() if at > first]


def _per_day(times: Iterable[datetime]) -> dict[date, int]:
    counts: dict[date, int] = {}
    for at in times:
        day = at.astimezone(UTC).date()
        counts[day] = counts.get(day, 0) + 1
    return counts

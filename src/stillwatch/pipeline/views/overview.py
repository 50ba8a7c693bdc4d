"""The population day by day, and how the traffic of a run's window came in."""

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, CAMPAIGN_MEMBERS, EXCHANGE_RECORDS, INGEST_BATCHES, INGEST_REJECTS
from stillwatch.model.tables.views import FIELD_COVERAGE, POPULATION_DAYS, REJECT_REASONS, SOURCE_HEALTH
from stillwatch.pipeline.detection import window_tables
from stillwatch.pipeline.views.flagged import flagged_days
from stillwatch.pipeline.views.shelf import Shelf

if TYPE_CHECKING:
    import ibis.expr.types as ir


def population_days(shelf: Shelf, run: Run) -> pa.Table:
    """POPULATION_DAYS of a run's window; days without traffic have no row."""
    members = shelf.rows(CAMPAIGN_MEMBERS, [run.run_id])
    with shelf.engine() as engine:
        tables = window_tables(shelf.workspace.lake.snapshot(), run, engine=engine, config=shelf.config)
        days = tables[ACCOUNT_DAYS.name]
        seen = days.group_by("day").agg(n_exchanges=days.n.sum(), n_accounts=days.count(), n_errors=days.n_errors.sum())
        flagged = _once(flagged_days(tables, members, engine))
        joined = seen.left_join(flagged, "day").drop("day_right")
        filled = joined.mutate(
            n_flagged_exchanges=joined.n_flagged_exchanges.fill_null(0),
            n_flagged_accounts=joined.n_flagged_accounts.fill_null(0),
        )
        rows = engine.to_arrow(filled.select(*POPULATION_DAYS.names))
    return rows.sort_by("day").cast(POPULATION_DAYS)


def _once(flagged: "ir.Table") -> "ir.Table":
    """Flagged exchanges and accounts by day; an account in two campaigns counts once, with the larger number."""
    accounts = flagged.group_by("day", "account_id").agg(n=flagged.n.max())
    return accounts.group_by("day").agg(n_flagged_exchanges=accounts.n.sum(), n_flagged_accounts=accounts.count())


def source_health(shelf: Shelf, run: Run | None) -> pa.Table:
    """SOURCE_HEALTH of every source that ever sent; the latest exchange is looked for in the run's window."""
    batches = shelf.rows(INGEST_BATCHES)
    counted = batches.group_by("source").aggregate(
        [
            ("ingest_batch_id", "count"),
            *((name, "sum") for name in ("records_in", "rows_out", "duplicates", "rejected")),
            ("finished_at", "max"),
        ]
    )
    latest = {} if run is None else _latest_exchanges(shelf, run)
    at = pa.array([latest.get(source) for source in counted["source"].to_pylist()], SOURCE_HEALTH.field(-1).type)
    columns = [counted[name] for name in counted.column_names]
    return pa.Table.from_arrays([*columns, at], schema=SOURCE_HEALTH).sort_by("source")


def _latest_exchanges(shelf: Shelf, run: Run) -> dict[str, object]:
    days = [str(day) for day in run.window.days()]
    with shelf.engine() as engine:
        records = engine.read(EXCHANGE_RECORDS, shelf.workspace.lake.snapshot().files(EXCHANGE_RECORDS, days))
        rows = engine.to_arrow(records.group_by("source").agg(at=records.start_time.max()))
    return dict(zip(rows["source"].to_pylist(), rows["at"].to_pylist(), strict=True))


def reject_reasons(shelf: Shelf) -> pa.Table:
    """REJECT_REASONS, most frequent first."""
    rejects = shelf.rows(INGEST_REJECTS).select(["ingest_batch_id", "reason"])
    batches = shelf.rows(INGEST_BATCHES).select(["ingest_batch_id", "source", "started_at"])
    joined = rejects.join(batches, "ingest_batch_id").sort_by("started_at")
    counted = joined.group_by(["source", "reason"], use_threads=False).aggregate(
        [("ingest_batch_id", "count"), ("ingest_batch_id", "last")]
    )
    rows = counted.rename_columns(["source", "reason", "n", "last_batch_id"]).cast(REJECT_REASONS)
    return rows.sort_by([("n", "descending"), ("source", "ascending"), ("reason", "ascending")])


def field_coverage(shelf: Shelf) -> pa.Table:
    """FIELD_COVERAGE by source and field; a field that a batch does not name was in none of its records."""
    batches = shelf.rows(INGEST_BATCHES).filter(pc.field("records_in") > 0).sort_by("started_at")
    n_records: dict[str, int] = {}
    n_with: dict[tuple[str, str], float] = {}
    last: dict[str, dict[str, float]] = {}
    for batch in batches.select(["source", "records_in", "field_coverage"]).to_pylist():
        source, shares = batch["source"], msgspec.json.decode(batch["field_coverage"], type=dict[str, float])
        n_records[source] = n_records.get(source, 0) + batch["records_in"]
        last[source] = shares
        for field, share in shares.items():
            n_with[source, field] = n_with.get((source, field), 0.0) + share * batch["records_in"]
    rows = [
        {"source": source, "field": field, "share": n / n_records[source], "last_share": last[source].get(field, 0.0)}
        for (source, field), n in sorted(n_with.items())
    ]
    return pa.Table.from_pylist(rows, schema=FIELD_COVERAGE)

"""One detection run: from daily aggregates to campaigns, and the calibration that it uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.errors import UsageError
from stillwatch.model.stage import Run, Tables
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CALIBRATIONS,
    CAMPAIGN_GROUPS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    EXCHANGE_RECORDS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    INDICATORS,
    JUDGEMENTS,
    NEAR_TOKENS,
    SCORE_CROWD,
    SCORE_SHIFTS,
    TOKEN_USES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.daily import Progress, make_features, midnight, refresh_features, silent
from stillwatch.pipeline.notes import missing_notes, population_notes
from stillwatch.pipeline.pulse import pulse_notes
from stillwatch.pipeline.stages import detection_stages, run_stages
from stillwatch.store.lake import Lake, Snapshot

if TYPE_CHECKING:
    import ibis.expr.types as ir


JUDGED: Final = (CAMPAIGN_GROUPS, SCORE_SHIFTS, SCORE_CROWD)
"""What scores were made from: kept with the run, so that they can be computed again."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a run is asked. `as_of` None is the end of the stored traffic, `known_at` None all that is stored."""

    as_of: datetime | None = None
    known_at: datetime | None = None

    def resolve(self, snapshot: Snapshot, config: Config) -> Run:
        """The run that answers the question on a snapshot.

        Raises:
            UsageError: nothing was ingested before `as_of`.
        """
        days = sorted({*snapshot.partitions(EXCHANGE_RECORDS), *snapshot.partitions(TOKEN_USES)})
        if not days:
            raise UsageError("nothing was ingested yet: run `stillwatch ingest PATH --source NAME` first")
        end = self.as_of or midnight(date.fromisoformat(days[-1]) + timedelta(days=1))
        last = (end - timedelta(microseconds=1)).date()
        start = midnight(last - timedelta(days=config.detect.window_days - 1))
        if not any(str(start.date()) <= day <= str(last) for day in days):
            raise UsageError(
                f"no traffic between {start:%Y-%m-%d} and {end:%Y-%m-%d %H:%M}: stored are {days[0]} to {days[-1]}"
            )
        run = Run(
            run_id="", window=Window(start, end), by=config.detect.by, known_at=self.known_at, alpha=config.detect.alpha
        )
        return replace(run, run_id=_run_id(run))


def _run_id(run: Run) -> str:
    said = f"{run.window.start.isoformat()}|{run.window.end.isoformat()}|{run.by}|{run.known_at}|{run.alpha}"
    return f"{run.window.end:%Y%m%dT%H%M%S}-{blake2b(said.encode(), digest_size=4).hexdigest()}"


def window_tables(snapshot: Snapshot, run: Run, *, engine: Engine, config: Config) -> dict[str, "ir.Table"]:
    """TOKEN_USES and ACCOUNT_DAYS of the run's window.

    Stored aggregates serve whole days at account level; days that the run sees only in part (the last one, or those
    with rows ingested after `known_at`) and other identity levels are made for this run alone.
    """
    stored_days = set(snapshot.partitions(TOKEN_USES))
    wanted = [day for day in run.window.days() if str(day) in stored_days | set(snapshot.partitions(EXCHANGE_RECORDS))]
    partial_days = [day for day in wanted if _is_partial(snapshot, day, run)]
    whole = [str(day) for day in wanted if day not in partial_days]
    tables = {table.name: engine.read(table, snapshot.files(table, whole)) for table in (TOKEN_USES, ACCOUNT_DAYS)}
    if partial_days:
        made = make_features(snapshot, run, run.known_at, partial_days, engine, config)
        for name, stored in tables.items():
            fresh = made[name].filter(made[name].day.isin(partial_days))
            tables[name] = engine.materialize(stored.union(fresh)) if whole else fresh
    return tables


def _is_partial(snapshot: Snapshot, day: date, run: Run) -> bool:
    if not snapshot.files(EXCHANGE_RECORDS, [str(day)]):
        return False
    cut = midnight(day + timedelta(days=1)) > run.window.end
    late = run.known_at is not None and any(
        segment.max_ingested_at is None or segment.max_ingested_at >= run.known_at
        for offset in (-1, 0, 1)
        for segment in snapshot.segments(EXCHANGE_RECORDS, str(day + timedelta(days=offset)))
    )
    return cut or late or run.by != "account"


def run_inputs(
    snapshot: Snapshot,
    judgements: pa.Table,
    question: Question,
    run: Run,
    *,
    engine: Engine,
    config: Config,
    indicators: pa.Table | None = None,
) -> dict[str, "ir.Table"]:
    """Everything that the detection stages read, cut at the question's times; `indicators` are cut by the caller."""
    tables = window_tables(snapshot, run, engine=engine, config=config)
    accounts = engine.read(ACCOUNTS, snapshot.files(ACCOUNTS))
    known = engine.from_arrow(JUDGEMENTS, judgements)
    calibrations = scoring.calibrations(
        engine.to_arrow(engine.read(CALIBRATIONS, snapshot.files(CALIBRATIONS))), question.as_of
    )
    if question.as_of is not None:
        accounts = _known_accounts(accounts, question.as_of)
        known = known.filter(known.judged_at < question.as_of)
    if question.known_at is not None:
        accounts = accounts.filter(accounts.ingested_at < question.known_at)
    earlier = earlier_runs(snapshot, run, engine)
    history = {
        table.name: engine.read(table, snapshot.files(table, earlier)) for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
    }
    return {
        **tables,
        **history,
        ACCOUNTS.name: accounts,
        ACCOUNT_EVENTS.name: _window_events(snapshot, run, engine),
        JUDGEMENTS.name: known,
        INDICATORS.name: engine.from_arrow(INDICATORS, INDICATORS.empty() if indicators is None else indicators),
        CALIBRATIONS.name: engine.from_arrow(CALIBRATIONS, calibrations),
    }


def _window_events(snapshot: Snapshot, run: Run, engine: Engine) -> "ir.Table":
    """ACCOUNT_EVENTS of the run's window that were known at its `known_at`."""
    days = [str(day) for day in run.window.days()]
    events = engine.read(ACCOUNT_EVENTS, snapshot.files(ACCOUNT_EVENTS, days))
    events = events.filter(events.event_time < run.window.end)
    return events if run.known_at is None else events.filter(events.ingested_at < run.known_at)


def _known_accounts(accounts: "ir.Table", as_of: datetime) -> "ir.Table":
    """Snapshots taken before `as_of`, and the first snapshot of accounts that existed then but were exported later."""
    first = accounts.group_by("account_id").agg(first_as_of=accounts.as_of.min())
    dated = accounts.join(first, "account_id")
    existed = (dated.as_of == dated.first_as_of) & (dated.created_at < as_of).fill_null(False)
    return dated.filter((dated.as_of < as_of) | existed).select(*ACCOUNTS.schema.names)


def earlier_runs(snapshot: Snapshot, run: Run, engine: Engine) -> list[str]:
    """Ids of stored runs at the same identity level that looked at an earlier end of the window."""
    runs = engine.read(DETECTION_RUNS, snapshot.files(DETECTION_RUNS))
    chosen = runs.filter((runs.as_of < run.window.end) & (runs.by == run.by)).select("run_id")
    return sorted(engine.to_arrow(chosen)["run_id"].to_pylist())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run found, in memory: CAMPAIGNS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS, and its DETECTION_RUNS row.

    `near` is NEAR_TOKENS: what private matching with peers starts from. `judged` are the tables from which its scores
    can be computed again: CAMPAIGN_GROUPS, SCORE_SHIFTS and SCORE_CROWD.
    """

    run: Run
    campaigns: pa.Table
    members: pa.Table
    findings: pa.Table
    near: pa.Table
    judged: Mapping[Table, pa.Table]
    summary: Mapping[str, object]

    @property
    def notes(self) -> list[str]:
        """What the run could not look at, in plain words."""
        notes = self.summary["notes"]
        assert isinstance(notes, list)
        return notes


def detect(
    lake: Lake,
    judgements: pa.Table,
    question: Question,
    *,
    engine: Engine,
    config: Config,
    progress: Progress = silent,
    indicators: pa.Table | None = None,
) -> Outcome:
    """Run every stage on the lake and commit what was found; the same question on the same lake replaces its answer.

    `indicators` are INDICATORS of peers that had come in by the question's time; None: none.
    """
    refresh_features(lake, engine=engine, config=config, until=question.as_of, progress=progress)
    snapshot = lake.snapshot()
    run = question.resolve(snapshot, config)
    with engine.scope():
        inputs = run_inputs(
            snapshot, judgements, question, run, engine=engine, config=config, indicators=indicators
        )  # fmt: skip
        tables = run_stages(inputs, run, engine=engine, config=config, progress=progress)
        judged = {table: engine.to_arrow(tables[table.name]) for table in JUDGED}
        outcome = Outcome(
            run=run,
            campaigns=engine.to_arrow(tables[CAMPAIGNS.name]),
            members=engine.to_arrow(tables[CAMPAIGN_MEMBERS.name]),
            findings=engine.to_arrow(tables[ACCOUNT_FINDINGS.name]),
            near=_near_tokens(tables, run, engine),
            judged=judged,
            summary=_summary(tables, inputs, run, engine, population_notes(judged[SCORE_SHIFTS])),
        )
    outcome = _with_notes(outcome, pulse_notes(snapshot, run, engine=engine, config=config))
    _commit(lake, outcome, config)
    return outcome


def _near_tokens(tables: Tables, run: Run, engine: Engine) -> pa.Table:
    """NEAR_TOKENS of the run's groups."""
    scores = tables[GROUP_SCORES.name]
    near = tables[GROUPS.name].semi_join(scores.filter(scores.is_near), "group_id")
    counted = near.filter(near.token.notnull()).group_by("token_kind", "token").agg(n_accounts=near.n_accounts.max())
    rows = engine.to_arrow(counted).sort_by([("token_kind", "ascending"), ("token", "ascending")])
    return rows.add_column(0, "run_id", pa.array([run.run_id] * rows.num_rows, pa.string())).cast(NEAR_TOKENS.schema)


def _with_notes(outcome: Outcome, notes: list[str]) -> Outcome:
    return replace(outcome, summary={**outcome.summary, "notes": [*outcome.notes, *notes]})


def calibrate(
    lake: Lake, judgements: pa.Table, *, engine: Engine, config: Config, progress: Progress = silent
) -> scoring.Refit:
    """Fit the shipped calibration to the lake's own history and store it; the next run uses it.

    It is dated by the end of the traffic that it saw, so that a run which looks at an earlier time does not use it.
    """
    refresh_features(lake, engine=engine, config=config, progress=progress)
    snapshot = lake.snapshot()
    question = Question()
    run = question.resolve(snapshot, config)
    with engine.scope():
        tables = run_inputs(snapshot, judgements, question, run, engine=engine, config=config)
        for stage in detection_stages(engine, config)[:2]:
            progress(stage.room, 0, 1)
            tables.update(stage.run({table.name: tables[table.name] for table in stage.reads}, run))
        judged = engine.to_arrow(tables[GROUPS.name])
        shipped = scoring.shipped()
        own = scoring.group_matrix(judged, engine.to_arrow(tables[GROUP_SIGNALS.name]), shipped.signals)
        honest = engine.to_arrow(_judged_honest(tables))
        days = tables[ACCOUNT_DAYS.name]
        n_accounts = engine.to_arrow(days.aggregate(n=days.account_id.nunique()))["n"][0].as_py()
    is_honest = pc.is_in(own.group_ids, value_set=honest["group_id"].combine_chunks()).to_numpy(zero_copy_only=False)
    refit = scoring.refit(shipped, own, is_honest, n_accounts=n_accounts)
    row = scoring.calibration_row(refit.calibration, created_at=run.window.end - timedelta(microseconds=1))
    with lake.write() as writer:
        writer.append(CALIBRATIONS, pa.Table.from_pylist([row], schema=CALIBRATIONS.schema))
        writer.commit()
    return refit


def _judged_honest(tables: Tables) -> "ir.Table":
    """Groups of whom most accounts were judged honest by a person."""
    said = tables[JUDGEMENTS.name]
    honest = said.filter((said.subject_kind == "account") & (said.verdict == "honest")).select(
        account_id=said.subject_id
    )
    members = tables[GROUP_MEMBERS.name]
    sizes = members.group_by("group_id").agg(n_members=members.count())
    inside = members.semi_join(honest, "account_id")
    cleared = inside.group_by("group_id").agg(n_honest=inside.count()).join(sizes, "group_id")
    return cleared.filter(cleared.n_honest * 2 > cleared.n_members).select("group_id")


def _summary(tables: Tables, inputs: Tables, run: Run, engine: Engine, notes: Sequence[str]) -> dict[str, object]:
    days = inputs[ACCOUNT_DAYS.name]
    seen = engine.to_arrow(days.aggregate(n_accounts=days.account_id.nunique(), n=days.n.sum()))
    scores = tables[GROUP_SCORES.name]
    judged = engine.to_arrow(scores.aggregate(n=scores.count()))
    calibration = engine.to_arrow(inputs[CALIBRATIONS.name].select("calibration_id"))
    return {
        "run_id": run.run_id,
        "as_of": run.window.end,
        "known_at": run.known_at,
        "window_start": run.window.start,
        "by": run.by,
        "engine": engine.name,
        "alpha": run.alpha,
        "calibration_id": calibration["calibration_id"][0].as_py(),
        "n_accounts": seen["n_accounts"][0].as_py(),
        "n_exchanges": seen["n"][0].as_py() or 0,
        "n_groups": judged["n"][0].as_py(),
        "notes": [*missing_notes(inputs, engine), *notes],
    }


def _commit(lake: Lake, outcome: Outcome, config: Config) -> None:
    run_id = outcome.run.run_id
    rows = {
        CAMPAIGNS: outcome.campaigns,
        CAMPAIGN_MEMBERS: outcome.members,
        ACCOUNT_FINDINGS: outcome.findings,
        NEAR_TOKENS: outcome.near,
        **outcome.judged,
        DETECTION_RUNS: pa.Table.from_pylist([dict(outcome.summary)], schema=DETECTION_RUNS.schema),
    }
    stored = lake.snapshot().partitions(DETECTION_RUNS)
    with lake.write() as writer:
        for table, content in rows.items():
            writer.replace(table, run_id, content)
            for old in sorted({*stored, run_id})[: -config.detect.keep_runs]:
                writer.drop(table, old)
        writer.commit()

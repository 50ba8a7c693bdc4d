"""One opened workspace, for notebooks and for the command line: the same calls, the same numbers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import __version__, pipeline, scoring
from stillwatch.config import Config, load_config
from stillwatch.engines import Engine, open_engine
from stillwatch.errors import UsageError
from stillwatch.ingest import BatchReport, ingest_account_events, ingest_accounts, ingest_paths, ingest_table
from stillwatch.ingest import Progress as IngestProgress
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    CALIBRATIONS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    INGEST_BATCHES,
    INGEST_REJECTS,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.sharing import Sharing
from stillwatch.pipeline.views import Views
from stillwatch.pipeline.views.shelf import run_of
from stillwatch.python_api.charts.gathered import Charts
from stillwatch.python_api.days import member_days
from stillwatch.python_api.frames import ArrowStream, FieldRules, as_table, chosen_source
from stillwatch.python_api.rows import Explanation, Rows
from stillwatch.python_api.seen import seen_accounts
from stillwatch.sharing.inbox import received
from stillwatch.store.journal import BATCH
from stillwatch.store.underway import under_way
from stillwatch.store.workspace import Workspace


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


class Stillwatch:
    """An opened workspace. Use it as a context manager, or call `close`.

    `clock` dates what is written; it is an argument so that runs can be repeated to the byte.
    """

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime] = now) -> None:
        self.workspace = workspace
        self.config = config
        self._clock = clock

    @classmethod
    def open(cls, path: str | Path, *, config: Config | None = None, clock: Callable[[], datetime] = now) -> Self:
        """The workspace at `path`; `config` None reads the settings files and the environment.

        Raises:
            ConfigError: there is no workspace, or a setting is wrong.
        """
        chosen = config or load_config().config
        return cls(Workspace.open(Path(path), state_url=chosen.state.url), chosen, clock=clock)

    def close(self) -> None:
        """Close the state database."""
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- telemetry in -------------------------------------------------------------------------------------------------

    def ingest(
        self,
        telemetry: Sequence[str | Path] | str | Path | ArrowStream,
        *,
        source: str = "canonical",
        mapping: Path | FieldRules | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
    ) -> list[BatchReport]:
        """Read telemetry files or folders, or a data frame; one report for each file. Reading again changes nothing.

        A data frame is anything with an Arrow C stream (pyarrow, polars, pandas, DuckDB). Its columns have canonical
        names, or `mapping` says which column each canonical field is: `{"account_id": "customer", ...}`.

        Raises:
            UsageError: the source does not exist or reads no frames, or `mapped` came without a mapping.
            SourceError: the frame lacks a required column.
        """
        chosen = chosen_source(source, mapping, self.config.sources)
        if isinstance(telemetry, ArrowStream):
            report = ingest_table(
                as_table(telemetry), chosen, lake=self.workspace.lake, keys=self.workspace.keys,
                vault=self.workspace.vault, settings=self.config.ingest, clock=self._clock,
            )  # fmt: skip
            return self._entered([report])
        paths = [telemetry] if isinstance(telemetry, str | Path) else telemetry
        reports = ingest_paths(
            [Path(path) for path in paths], chosen, lake=self.workspace.lake, keys=self.workspace.keys,
            vault=self.workspace.vault, settings=self.config.ingest, clock=self._clock, progress=progress,
        )  # fmt: skip
        return self._entered(reports)

    def ingest_accounts(self, paths: Sequence[str | Path]) -> list[BatchReport]:
        """Read account snapshots (CSV, JSONL or Parquet)."""
        reports = ingest_accounts(
            [Path(path) for path in paths], lake=self.workspace.lake, keys=self.workspace.keys,
            vault=self.workspace.vault, settings=self.config.ingest, clock=self._clock,
        )  # fmt: skip
        return self._entered(reports)

    def ingest_account_events(self, paths: Sequence[str | Path]) -> list[BatchReport]:
        """Read account events (CSV, JSONL or Parquet)."""
        reports = ingest_account_events(
            [Path(path) for path in paths], lake=self.workspace.lake, keys=self.workspace.keys,
            vault=self.workspace.vault,
            settings=self.config.ingest, clock=self._clock,
        )  # fmt: skip
        return self._entered(reports)

    def batches(self) -> Rows:
        """Every ingest batch, oldest first."""
        return Rows(self._read(INGEST_BATCHES).sort_by("started_at"))

    def rejects(self) -> Rows:
        """Every record in quarantine, by batch and place: why it was refused, never what it said."""
        return Rows(self._read(INGEST_REJECTS).sort_by([("ingest_batch_id", "ascending"), ("line_no", "ascending")]))

    # -- findings out -------------------------------------------------------------------------------------------------

    def detect(
        self,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        progress: pipeline.Progress = pipeline.silent,
    ) -> pipeline.Outcome:
        """Run every stage and store what was found. `as_of` None looks at all traffic; nothing from `as_of` on is seen.

        Raises:
            UsageError: no traffic was ingested for the window.
        """
        with self._engine() as engine, under_way(self.workspace.path, self._clock(), progress) as told:
            outcome = pipeline.detect(
                self.workspace.lake, self.workspace.state.judgements(as_of), pipeline.Question(as_of, known_at),
                engine=engine, config=self.config, progress=told,
                indicators=received(self.workspace.state, as_of),
            )  # fmt: skip
        self.sharing.recognise()
        found = {CAMPAIGNS: outcome.campaigns, CAMPAIGN_MEMBERS: outcome.members, ACCOUNT_FINDINGS: outcome.findings}
        self.workspace.journal.record_run(outcome.summary, found, self._clock())
        self.checkpoint()
        return outcome

    def pulse(
        self, *, as_of: datetime | None = None, n_days: int = 14, progress: pipeline.Progress = pipeline.silent
    ) -> Rows:
        """How unusual what the population asked was on each of the last `n_days` whole days before `as_of`; stored.

        An unusual day says nothing about any account.

        Raises:
            UsageError: nothing was ingested before `as_of`.
        """
        run = pipeline.Question(as_of).resolve(self.workspace.lake.snapshot(), self.config)
        window = Window(run.window.end - timedelta(days=n_days), run.window.end)
        with self._engine() as engine:
            return Rows(
                pipeline.take_pulse(
                    self.workspace.lake, replace(run, window=window), engine=engine, config=self.config,
                    progress=progress,
                )
            )  # fmt: skip

    def calibrate(self, *, progress: pipeline.Progress = pipeline.silent) -> scoring.Refit:
        """Fit the shipped calibration to this deployment's own history and use it from now on.

        The history may hide campaigns, so it only re-weights sizes and kinds of groups; groups of accounts that a
        person judged honest join the honest reference.
        """
        with self._engine() as engine:
            refit = pipeline.calibrate(
                self.workspace.lake, self.workspace.state.judgements(None), engine=engine, config=self.config,
                progress=progress,
            )  # fmt: skip
        fitted = scoring.calibrations(self._read(CALIBRATIONS), None).to_pylist()[0]
        self.workspace.journal.record_calibration(
            fitted["calibration_id"], created_at=fitted["created_at"], at=self._clock()
        )
        return refit

    def runs(self) -> Rows:
        """Every stored detection run, latest `as_of` last."""
        return Rows(self._read(DETECTION_RUNS).sort_by([("as_of", "ascending"), ("run_id", "ascending")]))

    def run_ids(self) -> list[str]:
        """Ids of every stored detection run, from the lake's manifest alone."""
        return self.workspace.lake.snapshot().partitions(DETECTION_RUNS)

    def campaigns(self, run_id: str | None = None) -> Rows:
        """The campaigns of a run (None: the latest): accused ones first, then those to review, best score first."""
        run = self._run(run_id)
        return Rows(
            self._read(CAMPAIGNS, [run["run_id"]]).sort_by(
                [("tier", "ascending"), ("score", "descending"), ("campaign_id", "ascending")]  # accuse before review
            )
        )

    def campaign(self, campaign_id: str, run_id: str | None = None) -> dict[str, Any]:
        """One campaign of a run (None: the latest).

        Raises:
            UsageError: there is no such campaign in the run.
        """
        rows = self.campaigns(run_id).table
        found: list[dict[str, Any]] = rows.filter(pc.equal(rows["campaign_id"], campaign_id)).to_pylist()
        if not found:
            raise UsageError(f"there is no campaign {campaign_id!r} in this run; `stillwatch campaigns` lists them")
        return found[0]

    def members(self, campaign_id: str, run_id: str | None = None) -> Rows:
        """The slices that are the evidence of one campaign, by account."""
        run = self._run(run_id)
        rows = self._read(CAMPAIGN_MEMBERS, [run["run_id"]])
        return Rows(rows.filter(pc.equal(rows["campaign_id"], campaign_id)))

    def days(self, campaign_id: str, run_id: str | None = None) -> Rows:
        """What the accounts of a campaign sent on each day; see `member_days` for the columns."""
        run = self._run(run_id)
        members = self.members(campaign_id, str(run["run_id"])).table
        with self._engine() as engine:
            tables = pipeline.window_tables(
                self.workspace.lake.snapshot(), run_of(run), engine=engine, config=self.config
            )
            return Rows(member_days(tables, members, engine=engine))

    def accounts(self, run_id: str | None = None) -> Rows:
        """Every account seen in a run's window with its tier; accused ones first, then those to review.

        Columns `account_id, tier, campaign_id, score, p_value, q_value, first_flagged_at, reasons, queue, held_back,
        n_exchanges, n_flagged_exchanges`; all but the id, the tier and `n_exchanges` are null where nothing was found.
        """
        run = self._run(run_id)
        findings = self._read(ACCOUNT_FINDINGS, [run["run_id"]]).drop_columns(["run_id", "n_exchanges"])
        with self._engine() as engine:
            tables = pipeline.window_tables(
                self.workspace.lake.snapshot(), run_of(run), engine=engine, config=self.config
            )
            days = tables[ACCOUNT_DAYS.name]
            seen = engine.to_arrow(days.group_by("account_id").agg(n_exchanges=days.n.sum()))
        return Rows(seen_accounts(findings, seen))

    def explain(self, account_id: str, run_id: str | None = None) -> Explanation:
        """Why an account was flagged, or that it was not."""
        run = self._run(run_id)
        findings = self._read(ACCOUNT_FINDINGS, [run["run_id"]])
        mine = findings.filter(pc.equal(findings["account_id"], account_id)).to_pylist()
        named = self.sharing.naming(account_id, run).to_pylist()
        if not mine:
            return Explanation(account_id, None, None, indicators=named)
        campaign_id = mine[0]["campaign_id"]
        campaign = self.campaign(campaign_id, str(run["run_id"]))
        members = self.members(campaign_id, str(run["run_id"])).table
        slices = members.filter(pc.equal(members["account_id"], account_id)).to_pylist()
        return Explanation(account_id, mine[0], campaign, slices, named)

    def expose(self, run_id: str | None = None) -> pipeline.Exposed:
        """Measure what the campaigns of a run (None: the latest) took, from the exchanges in the lake, and store it."""
        with self._engine() as engine:
            return pipeline.expose(
                self.workspace.lake, run_of(self._run(run_id)), engine=engine, config=self.config
            )  # fmt: skip

    def exposed(self, run_id: str | None = None) -> pipeline.Exposed:
        """What `expose` measures, without storing it."""
        run, snapshot = run_of(self._run(run_id)), self.workspace.lake.snapshot()
        with self._engine() as engine:
            return pipeline.measure_exposure(snapshot, run, engine=engine, config=self.config)

    def dossier(self, campaign_id: str, *, run_id: str | None = None, **said: Any) -> bytes:
        """The dossier of a campaign as the bytes of a zip; `said` are further fields of `pipeline.dossier.Wanted`.

        Raises:
            UsageError: there is no such campaign in the run.
            EnvironmentFault: a PDF is wanted and typst is not installed.
        """
        from stillwatch.pipeline.dossier import Dossiers, Wanted

        wanted = Wanted(campaign_id, run_of(self._run(run_id)), **said)
        return Dossiers(self.workspace, self.config, clock=self._clock).build(wanted)

    def dossier_preview(self, campaign_id: str, *, run_id: str | None = None, **said: Any) -> list[dict[str, object]]:
        """Part by part what an audience would hold of a dossier; `said` are fields of `pipeline.dossier.Wanted`."""
        from stillwatch.pipeline.dossier import Dossiers, Wanted

        wanted = Wanted(campaign_id, run_of(self._run(run_id)), **said)
        return Dossiers(self.workspace, self.config, clock=self._clock).preview(wanted)

    def judge(self, subject_id: str, verdict: str, *, author: str, note: str) -> str:
        """Record what a person thinks of a campaign (`c-...`) or an account; returns the judgement's id."""
        kind = "campaign" if subject_id in self.known_campaigns() else "account"
        return self.workspace.journal.record_judgement(
            subject_kind=kind, subject_id=subject_id, verdict=verdict, author=author, note=note, judged_at=self._clock()
        )

    def checkpoint(self) -> str:
        """A signed note about the ledger as it is now.

        Batches whose entry a crash prevented are entered first.

        Raises:
            LedgerError: the ledger does not go on from its last checkpoint.
        """
        batches = self._read(INGEST_BATCHES).to_pylist()
        known = self.workspace.journal.recorded(BATCH, "ingest_batch_id")
        missing = [row for row in batches if row["ingest_batch_id"] not in known]
        self.workspace.journal.record_batches(missing, self._clock())
        return self.workspace.checkpoints.make(self.workspace.ledger, self._clock())

    @cached_property
    def sharing(self) -> Sharing:
        """What leaves to peers, authorities and the public, and what comes in."""
        return Sharing(self.workspace, self.config, version=__version__, clock=self._clock)

    @cached_property
    def views(self) -> Views:
        """What is derived for readers: campaigns day by day, their tokens, their history, how data came in."""
        return Views(self.workspace, self.config, find=self._run, clock=self._clock)

    def calibration(self) -> dict[str, object]:
        """The calibration that the next run uses: id, kind and date."""
        chosen = scoring.calibrations(self._read(CALIBRATIONS), None)
        return dict(chosen.select(["calibration_id", "kind", "created_at"]).to_pylist()[0])

    def calibration_of(self, run_id: str | None = None) -> scoring.Calibration:
        """The calibration that judged a run (None: the latest): the fitted one that it names, else the shipped one."""
        wanted = self._run(run_id)["calibration_id"]
        stored = self._read(CALIBRATIONS)
        return scoring.only_calibration(stored.filter(pc.equal(stored["calibration_id"], wanted)))

    @cached_property
    def charts(self) -> Charts:
        """Findings as Altair charts (needs the `notebook` extra)."""
        return Charts(self)

    def studio(self, campaign_id: str, path: str | Path, run_id: str | None = None) -> Path:
        """Write the studio of a campaign to `path`: one HTML file with charts, tables and filters, without network.

        Raises:
            UsageError: there is no such campaign in the run.
            EnvironmentFault: the `notebook` extra is not installed.
        """
        from stillwatch.python_api.studio import studio_page

        file = Path(path)
        file.write_text(studio_page(self, campaign_id, run_id), encoding="utf-8")
        return file

    # -- plumbing -----------------------------------------------------------------------------------------------------

    def _entered(self, reports: list[BatchReport]) -> list[BatchReport]:
        """The reports, once the ledger knows them."""
        rows = [{name: getattr(report, name) for name in INGEST_BATCHES.schema.names} for report in reports]
        self.workspace.journal.record_batches(rows, self._clock())
        return reports

    def known_campaigns(self) -> set[str]:
        """Ids of the campaigns of every stored run."""
        return set(self._read(CAMPAIGNS)["campaign_id"].to_pylist())

    def _run(self, run_id: str | None) -> dict[str, object]:
        chosen = [run for run in self.runs().table.to_pylist() if run_id in (None, run["run_id"])]
        if not chosen:
            wanted = "no detection run is stored" if run_id is None else f"there is no detection run {run_id!r}"
            raise UsageError(f"{wanted}: run `stillwatch detect` first")
        return dict(chosen[-1])

    def _read(self, table: Table, partitions: Sequence[object] | None = None) -> pa.Table:
        chosen = None if partitions is None else [str(name) for name in partitions]
        files = self.workspace.lake.snapshot().files(table, chosen)
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()

    def _engine(self) -> AbstractContextManager[Engine]:
        return closing(open_engine(self.config.detect.engine, self.config.engines))

"""Dossiers of a workspace: gathered, entered into the ledger, sealed; and computed again from their own extracts."""

import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch import exposure, scoring
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.errors import UsageError
from stillwatch.evidence.build import WORKSHEET, contents
from stillwatch.evidence.bundle import (
    LedgerSlice,
    content_digest,
    dossier_key,
    public_pem,
    read_extract,
    rows_of,
    salting_key,
    sealed_bundle,
)
from stillwatch.evidence.case import Case, Money, SignalWords
from stillwatch.exposure.damages import RULES, Assessment, Worksheet, as_rows, assess, quantities
from stillwatch.model.stage import Run
from stillwatch.model.table import Table, column
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CALIBRATIONS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    COUNT,
    DETECTION_RUNS,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURE_MODELS,
    EXPOSURES,
    INGEST_BATCHES,
    TEXT,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.exposure import Exposed, expose
from stillwatch.signals import catalog
from stillwatch.store.attributions import Attributions
from stillwatch.store.checkpoint import open_note
from stillwatch.store.ledger import Entry
from stillwatch.store.workspace import Workspace
from stillwatch.version import __version__

SEALED: Final = "dossier.sealed"
SLICE_KINDS: Final = ("ingest.batch", "calibration.fitted", "detection.run", SEALED)
"""Kinds of entries that a dossier shows beside those about its own campaign."""
GRID: Final = Table(
    name="grid",
    made_by="pipeline",
    key=("capability",),
    schema=pa.schema([column("capability", TEXT, required=True), column("n_cells", COUNT, required=True)]),
)
OTHERS: Final = "others"
"""Row of the grid for capabilities that the campaign did not ask for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a dossier is about and for whom."""

    campaign_id: str
    run: Run
    audience: str = "internal"
    is_redacted: bool = False
    worksheet: Path | None = None
    seed: int = 1
    has_pdf: bool = True


class Dossiers:
    """Builds the dossiers of one workspace. `clock` dates the ledger's entries."""

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._config = config
        self._clock = clock

    def build(self, wanted: Wanted) -> bytes:
        """The dossier; built again from the same workspace it has the same bytes, whenever that is.

        The first building enters it into the ledger. A later one finds that entry by the digest of the contents.

        Raises:
            UsageError: there is no such campaign in the run.
        """
        case = self.case(wanted)
        keys = self._workspace.keys
        extracts = case.extracts(salting_key(keys, case.dossier_id))
        key = dossier_key(keys)
        made = contents(case, extracts, public_pem(key), has_pdf=wanted.has_pdf)
        return sealed_bundle(made, extracts, self._sealed(case, content_digest(made)), case.about(), key)

    def case(self, wanted: Wanted) -> Case:
        """Everything that the dossier is made from."""
        run_id = wanted.run.run_id
        campaign = self._one(CAMPAIGNS, run_id, wanted.campaign_id)
        with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine:
            exposed = expose(self._workspace.lake, wanted.run, engine=engine, config=self._config)
        exposed = exposed.of(wanted.campaign_id)
        standing = [one for one in self._attributions.all(wanted.campaign_id) if one.stands]
        return Case(
            campaign=campaign,
            run=self._one(DETECTION_RUNS, run_id, None),
            tables=self._tables(wanted, exposed),
            signals=tuple(SignalWords(s.name, s.question, s.high_means, s.innocent_cause) for s in catalog()),
            calibration=self._calibration(str(campaign["calibration_id"])),
            assessment=standing[-1] if standing else None,
            money=_money(wanted, exposed.sums),
            judgements=tuple(self._judgements(wanted.campaign_id)),
            version=__version__,
            audience=wanted.audience,
            is_redacted=wanted.is_redacted,
        )

    @property
    def _attributions(self) -> Attributions:
        return Attributions(self._workspace.state, self._workspace.ledger)

    def _tables(self, wanted: Wanted, exposed: Exposed) -> dict[str, pa.Table]:
        run_id = wanted.run.run_id
        members, findings = (
            _of(self._read(table, run_id), wanted.campaign_id) for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)
        )
        batches = self._read(INGEST_BATCHES, None)
        known = batches.filter(pc.less_equal(batches["started_at"], pa.scalar(self._detected_at(run_id))))
        rows = {
            "members": (members, CAMPAIGN_MEMBERS),
            "findings": (findings, ACCOUNT_FINDINGS),
            "exposure_accounts": (exposed.accounts, EXPOSURE_ACCOUNTS),
            "exposure_days": (exposed.days, EXPOSURE_DAYS),
            "exposure_models": (exposed.models, EXPOSURE_MODELS),
            "exposures": (exposed.sums, EXPOSURES),
            "grid": (_grid(exposed.sums), GRID),
            "batches": (known, INGEST_BATCHES),
        }
        return {name: table.sort_by([(k, "ascending") for k in shape.key]) for name, (table, shape) in rows.items()}

    def _detected_at(self, run_id: str) -> datetime:
        """When the ledger last heard of the run: batches that came later are not what it rests on."""
        entries = [
            entry
            for entry in self._workspace.ledger.entries("detection.run")
            if msgspec.json.decode(entry.body)["run_id"] == run_id
        ]
        return entries[-1].at if entries else self._clock()

    def _judgements(self, campaign_id: str) -> list[dict[str, str]]:
        rows = self._workspace.state.judgements().to_pylist()
        return [
            {
                "verdict": row["verdict"],
                "author": row["author"],
                "judged_at": f"{row['judged_at']:%Y-%m-%d %H:%M}",
                "note": row["note"],
            }
            for row in rows
            if row["subject_id"] == campaign_id
        ]

    def _calibration(self, calibration_id: str) -> dict[str, str]:
        """What the run's calibration rests on; only its id where another release shipped it."""
        stored = self._read(CALIBRATIONS, None).to_pylist()
        bodies = [row["body"] for row in stored if row["calibration_id"] == calibration_id]
        found = scoring.Calibration.from_json(bodies[0]) if bodies else scoring.shipped()
        if found.calibration_id != calibration_id:
            return {"calibration_id": calibration_id, "kind": "shipped", "fitted_on": "not known to this release"}
        return {
            "calibration_id": calibration_id,
            "kind": found.kind,
            "fitted_on": found.origin,
            "windows_of_honest_traffic": f"{found.n_windows:,}",
            "honest_accounts_over_these_windows": f"{found.n_account_windows:,}",
        }

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def _sealed(self, case: Case, digest: str) -> LedgerSlice:
        """The part of the ledger up to the entry that seals these contents, under the first checkpoint after it."""
        ledger, checkpoints = self._workspace.ledger, self._workspace.checkpoints
        own = [entry for entry in ledger.entries(SEALED) if _says(entry, "content_digest", digest)]
        if not own:
            about = {"dossier_id": case.dossier_id, "campaign_id": case.campaign["campaign_id"]}
            body = {**about, "audience": case.audience, "content_digest": digest}
            own = [ledger.append(SEALED, body, self._clock())]
        seal = own[0]
        notes = [(open_note(note, checkpoints.verifier).size, note) for note in checkpoints.all()]
        if all(size < seal.seq for size, _ in notes):
            note = checkpoints.make(ledger, self._clock())
            notes.append((open_note(note, checkpoints.verifier).size, note))
        size, note = min(found for found in notes if found[0] >= seal.seq)
        before = max((found for found in notes if 0 < found[0] < size), default=None)
        chosen = [entry for entry in ledger.entries() if entry.seq <= seal.seq and _belongs(entry, case, seal)]
        return LedgerSlice(
            checkpoint=note,
            earlier=before[1] if before else "",
            verifier=checkpoints.verifier,
            entries=tuple((entry, ledger.prove_inclusion(entry.seq, size)) for entry in chosen),
            consistency=ledger.prove_consistency(before[0], size) if before else None,
        )

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _read(self, table: Table, run_id: str | None) -> pa.Table:
        files = self._workspace.lake.snapshot().files(table, None if run_id is None else [run_id])
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()

    def _one(self, table: Table, run_id: str, campaign_id: str | None) -> dict[str, Any]:
        rows = self._read(table, run_id)
        found = (rows if campaign_id is None else _of(rows, campaign_id)).to_pylist()
        if not found:
            raise UsageError(f"there is no campaign {campaign_id!r} in run {run_id}; `stillwatch campaigns` lists them")
        return dict(found[0])


def _of(rows: pa.Table, campaign_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["campaign_id"], campaign_id))


def _says(entry: Entry, name: str, value: str) -> bool:
    return bool(msgspec.json.decode(entry.body).get(name) == value)


def _belongs(entry: Entry, case: Case, seal: Entry) -> bool:
    """Whether a dossier shows the entry: how its data came in and were judged, and what people said of its campaign."""
    if entry.kind == SEALED:
        return entry.seq == seal.seq
    if entry.kind == "detection.run":
        return _says(entry, "run_id", str(case.run["run_id"]))
    return entry.kind in SLICE_KINDS or _says(entry, "campaign_id", str(case.campaign["campaign_id"]))


def _grid(sums: pa.Table) -> pa.Table:
    """Cells by capability; those that the campaign did not ask for are one row."""
    cells = dict(zip(sums["capability"].to_pylist(), sums["n_cells"].to_pylist(), strict=True))
    total = cells.pop(exposure.ALL, 0)
    cells[OTHERS] = total - sum(cells.values())
    return pa.table({"capability": list(cells), "n_cells": list(cells.values())}, schema=GRID.schema)


def _money(wanted: Wanted, sums: pa.Table) -> Money | None:
    if wanted.worksheet is None:
        return None
    assessed = assess(Worksheet.load(wanted.worksheet), quantities(sums), seed=wanted.seed)
    return Money(
        heads=tuple(money_rows(assessed)),
        combinations=tuple(
            {"heads": list(one.heads), "low_usd": round(one.low), "high_usd": round(one.high)}
            for one in assessed.combinations
        ),
        swings=tuple(
            {
                "head": result.head.name,
                "place": place,
                "input": swing.name,
                "at_low_usd": round(swing.at_low),
                "at_high_usd": round(swing.at_high),
            }
            for result in assessed.heads
            for place, swing in enumerate(result.swings)
        ),
        rules=RULES,
        worksheet=wanted.worksheet.read_text(encoding="utf-8"),
        seed=wanted.seed,
    )


def money_rows(assessed: Assessment) -> list[dict[str, Any]]:
    """The heads with what each is."""
    return [
        {**row, "title": result.head.title, "says": result.head.says}
        for row, result in zip(as_rows(assessed), assessed.heads, strict=True)
    ]


# -- computing again --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What was computed again from a dossier's extracts: figures that agree, that differ, and that cannot be computed.

    Differences are named by table, row and column.
    """

    n_equal: int
    differences: tuple[str, ...]
    not_computed: tuple[str, ...]


def recompute(path: Path, config: Config) -> Recomputed:
    """Compute exposure and damages from the extracts again and compare them with what is said, digit by digit.

    The dossier must have been verified before. Redacted extracts cannot be computed from.
    """
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    shapes = {
        "exposure_accounts": EXPOSURE_ACCOUNTS, "exposure_days": EXPOSURE_DAYS, "grid": GRID, "exposures": EXPOSURES,
        "findings": ACCOUNT_FINDINGS, "run": DETECTION_RUNS, "campaign": CAMPAIGNS,
    }  # fmt: skip
    found = {name: read_extract(shape, files[f"extracts/{name}.tsv"]) for name, shape in shapes.items()}
    hidden = tuple(f"exposures, because {name} is redacted" for name, rows in sorted(found.items()) if rows is None)
    if hidden:
        return Recomputed(0, (), hidden)
    rows = {name: table for name, table in found.items() if table is not None}
    again = _summed(rows, config)
    n_equal, differences = _compared("exposures", rows["exposures"].to_pylist(), again.to_pylist(), "capability")
    if WORKSHEET in files:
        sheet = Worksheet.parse(files[WORKSHEET].decode(), WORKSHEET)
        seed = msgspec.json.decode(files["manifest.json"])["about"]["damages_seed"]
        said = rows_of(files["extracts/damages.tsv"])
        more, others = _compared("damages", said, money_rows(assess(sheet, quantities(again), seed=seed)), "head")
        n_equal, differences = n_equal + more, differences + others
    return Recomputed(n_equal, differences, ())


def _summed(rows: Mapping[str, pa.Table], config: Config) -> pa.Table:
    findings = rows["findings"]
    accused = findings.filter(pc.equal(findings["tier"], "accuse"))
    alarms = accused.group_by("campaign_id").aggregate([("first_flagged_at", "min")])
    run = rows["run"].to_pylist()[0]
    return exposure.summarise(
        rows["exposure_accounts"], rows["exposure_days"], grid=rows["grid"],
        alarms=alarms.rename_columns(["campaign_id", "alarm_at"]), window=Window(run["window_start"], run["as_of"]),
        settings=config.exposure,
    )  # fmt: skip


def _compared(
    table: str, said: list[dict[str, Any]], again: list[dict[str, Any]], key: str
) -> tuple[int, tuple[str, ...]]:
    """How many figures are equal, and the places of those that are not."""
    if len(said) != len(again):
        return 0, (f"{table}: {len(said)} rows in the dossier, {len(again)} computed",)
    by_key = {row[key]: row for row in again}
    n_equal, differences = 0, []
    for row in said:
        for name, value in row.items():
            other = by_key.get(row[key], {}).get(name)
            if value == other:
                n_equal += 1
            else:
                differences.append(f"{table}, {row[key]}, {name}: {value} in the dossier, {other} computed")
    return n_equal, tuple(differences)

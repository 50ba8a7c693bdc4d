"""Dossiers of a workspace: gathered, entered into the ledger, sealed; and computed again from their own extracts."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
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
from stillwatch.evidence.build import contents
from stillwatch.evidence.bundle import (
    LedgerSlice,
    content_digest,
    dossier_key,
    public_pem,
    salting_key,
    sealed_bundle,
)
from stillwatch.evidence.case import Case, Lookalike, Money, Row, SignalWords
from stillwatch.exposure.damages import RULES, Assessment, Worksheet, as_rows, assess, quantities
from stillwatch.guard import Passage, Policy
from stillwatch.guard.dossier import PARTS, clear_parts, preview_rows, review_parts
from stillwatch.model.stage import Run
from stillwatch.model.table import Table, column
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CALIBRATIONS,
    CAMPAIGN_GROUPS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    COUNT,
    DETECTION_RUNS,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURE_MODELS,
    EXPOSURES,
    INGEST_BATCHES,
    SCORE_CROWD,
    SCORE_SHIFTS,
    TEXT,
)
from stillwatch.model.tables.views import SEALED_DOSSIERS
from stillwatch.pipeline.exposure import Exposed, expose
from stillwatch.pipeline.sharing import Asked, Sharing
from stillwatch.signals import catalog
from stillwatch.store.attributions import Attributions
from stillwatch.store.checkpoint import open_note
from stillwatch.store.ledger import Entry, Json
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
INTERNAL: Final = "internal"
EVERYTHING: Final = frozenset(PARTS)
OTHERS: Final = "others"
"""Row of the grid for capabilities that the campaign did not ask for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a dossier is about and for whom."""

    campaign_id: str
    run: Run
    audience: str = INTERNAL
    receiver: str = ""
    """Who gets it, of an audience that is not internal; accounts have another pseudonym for each peer."""
    approver: str | None = None
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
        self._sharing = Sharing(workspace, config, version=__version__, clock=clock)

    def preview(self, wanted: Wanted) -> list[dict[str, object]]:
        """Every part of a dossier with what would happen to it for the audience; nothing leaves or is recorded.

        Raises:
            GuardRefused: the policy knows no such audience, or no legal basis holds.
        """
        policy = self._sharing.policy
        passage = self._passage(wanted, policy)
        return preview_rows(review_parts(wanted.audience, self._offered(wanted), policy, passage))

    def build(self, wanted: Wanted) -> bytes:
        """The dossier; built again from the same workspace it has the same bytes, whenever that is.

        The first building enters it into the ledger. A later one finds that entry by the digest of the contents. For
        other audiences than the internal one every part passes the guard, and its decisions are recorded first.

        Raises:
            UsageError: there is no such campaign in the run, or nobody is named who gets it.
            GuardRefused: the policy lets no such dossier leave.
        """
        parts = EVERYTHING - {"bundle"} if wanted.audience == INTERNAL else self._cleared(wanted)
        case = self.case(_within(wanted, parts), has_attribution="attribution" in parts)
        keys = self._workspace.keys
        extracts = case.extracts(salting_key(keys, case.dossier_id)) if "figures" in parts else {}
        key = dossier_key(keys)
        bundle = self._bundle(wanted) if "bundle" in parts else b""
        made = contents(case, extracts, public_pem(key), parts=parts, has_pdf=wanted.has_pdf, bundle=bundle)
        ledger = self._sealed(case, content_digest(made), is_whole="ledger" in parts)
        return sealed_bundle(made, extracts, ledger, case.about(), key)

    def _cleared(self, wanted: Wanted) -> frozenset[str]:
        guard = self._sharing.guard
        passage = self._passage(wanted, guard.policy)
        return clear_parts(wanted.audience, self._offered(wanted), guard, passage).parts

    def _passage(self, wanted: Wanted, policy: Policy) -> Passage:
        if not wanted.receiver.strip():
            raise UsageError(f"a dossier for {wanted.audience} use needs the name of who gets it: --to NAME")
        known = policy.dossiers.get(wanted.audience)
        profile = wanted.audience if known is None else known.profile
        return Passage(wanted.receiver, "file", profile, self._clock(), wanted.approver)

    def _offered(self, wanted: Wanted) -> list[str]:
        """The parts that there are of this dossier."""
        missing = {
            "damages": wanted.worksheet is None,
            "attribution": not any(one.stands for one in self._attributions.all(wanted.campaign_id)),
        }
        return [part for part in PARTS if not missing.get(part, False)]

    def _bundle(self, wanted: Wanted) -> bytes:
        """The campaign as STIX, after the guard decided about every field."""
        policy = self._sharing.policy
        asked = Asked(wanted.receiver, policy.dossiers[wanted.audience].profile, approver=wanted.approver)
        return self._sharing.export(wanted.campaign_id, asked).bundle()

    def sealed(self, campaign_id: str | None = None) -> pa.Table:
        """Every dossier that was built (of one campaign), oldest first, as SEALED_DOSSIERS."""
        found = [(entry, msgspec.json.decode(entry.body)) for entry in self._workspace.ledger.entries(SEALED)]
        rows = [
            {"entry": entry.seq, "at": entry.at, **body}
            for entry, body in found
            if campaign_id in (None, body["campaign_id"])
        ]
        return pa.Table.from_pylist(rows, schema=SEALED_DOSSIERS)

    def case(self, wanted: Wanted, *, has_attribution: bool = True) -> Case:
        """Everything that the dossier is made from."""
        run_id = wanted.run.run_id
        campaign = self._one(CAMPAIGNS, run_id, wanted.campaign_id)
        calibration = self._calibration(str(campaign["calibration_id"]))
        with closing(open_engine(self._config.detect.engine, self._config.engines)) as engine:
            exposed = expose(self._workspace.lake, wanted.run, engine=engine, config=self._config)
        exposed = exposed.of(wanted.campaign_id)
        if not exposed.sums.num_rows:
            raise UsageError(
                f"no exchange of campaign {wanted.campaign_id!r} is stored (any more), so nothing can be measured; "
                "a dossier is built while the telemetry of the run's window is kept"
            )
        tables = self._tables(wanted, exposed)
        standing = [one for one in self._attributions.all(wanted.campaign_id) if one.stands]
        return Case(
            campaign=campaign,
            run=self._one(DETECTION_RUNS, run_id, None),
            tables=tables,
            signals=tuple(SignalWords(s.name, s.question, s.high_means, s.innocent_cause) for s in catalog()),
            calibration=self._described(calibration, campaign, tables["score_shifts"], wanted.run.alpha),
            calibration_body=None if calibration is None else calibration.to_json(),
            lookalikes=() if calibration is None else _lookalikes(calibration, campaign, tables["score_shifts"]),
            settings=settings_of(self._config),
            assessment=standing[-1] if standing and has_attribution else None,
            money=_money(wanted, tables["exposures"]),
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
        members, findings, groups = (
            _of(self._read(table, run_id), wanted.campaign_id)
            for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS, CAMPAIGN_GROUPS)
        )
        batches = self._read(INGEST_BATCHES, None)
        known = batches.filter(pc.less_equal(batches["started_at"], pa.scalar(self._detected_at(run_id))))
        rows = {
            "members": (members, CAMPAIGN_MEMBERS),
            "findings": (findings, ACCOUNT_FINDINGS),
            "groups": (groups, CAMPAIGN_GROUPS),
            "score_shifts": (self._read(SCORE_SHIFTS, run_id), SCORE_SHIFTS),
            "score_crowd": (self._read(SCORE_CROWD, run_id), SCORE_CROWD),
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

    def _calibration(self, calibration_id: str) -> scoring.Calibration | None:
        """The run's calibration; None where another release shipped it."""
        stored = self._read(CALIBRATIONS, None).to_pylist()
        bodies = [row["body"] for row in stored if row["calibration_id"] == calibration_id]
        found = scoring.Calibration.from_json(bodies[0]) if bodies else scoring.shipped()
        return found if found.calibration_id == calibration_id else None

    def _described(
        self, found: scoring.Calibration | None, campaign: Row, shifts: pa.Table, alpha: float
    ) -> dict[str, str]:
        """What a calibration rests on and what it says of errors; only its id where its body is not known."""
        calibration_id = str(campaign["calibration_id"])
        if found is None:
            return {"calibration_id": calibration_id, "kind": "shipped", "fitted_on": "not known to this release"}
        is_measured = scoring.measured_signals(shifts, found.signals)
        wrong = scoring.false_accusations(found, is_measured, alpha=alpha, settings=self._config.scoring)
        return {
            "calibration_id": calibration_id,
            "kind": found.kind,
            "fitted_on": found.origin,
            "windows_of_honest_traffic": f"{found.n_windows:,}",
            "honest_accounts_over_these_windows": f"{found.n_account_windows:,}",
            "honest_groups_that_would_be_accused_there": f"{wrong.n_groups:,}, with {wrong.n_people:,} accounts",
            "honest_accounts_accused_in_one_window": f"at most {wrong.bound:.1f} (95 % bound, exact Poisson)",
        }

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def _sealed(self, case: Case, digest: str, *, is_whole: bool) -> LedgerSlice:
        """The part of the ledger up to the entry that seals these contents, under the first checkpoint after it.

        Where it is not whole only the entry that seals is in it: others tell how much came in.
        """
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
        chosen = chosen if is_whole else [seal]
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


def _within(wanted: Wanted, parts: frozenset[str]) -> Wanted:
    """What is wanted, without what the audience may not hold."""
    return replace(
        wanted,
        is_redacted=wanted.is_redacted or "accounts" not in parts,
        worksheet=wanted.worksheet if "damages" in parts else None,
    )


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


def _lookalikes(calibration: scoring.Calibration, campaign: Row, shifts: pa.Table) -> tuple[Lookalike, ...]:
    """Every honest class that the campaign was compared with, the one whose scores come nearest first."""
    seen = calibration.seen_by(scoring.measured_signals(shifts, calibration.signals))
    known = (Lookalike(o.name, o.n_groups, o.largest, campaign["score"] - o.score_q99) for o in seen.lookalikes)
    return tuple(sorted(known, key=lambda one: (one.margin, one.name)))


def settings_of(config: Config) -> dict[str, Json]:
    """The settings behind the figures of a dossier, by room: what computing them again needs."""
    return {
        "exposure": msgspec.to_builtins(config.exposure),
        "scoring": msgspec.to_builtins(config.scoring),
    }


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

"""What `doctor` looks at in a workspace: each check says what it found and which command mends it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import disk_usage
from typing import Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.errors import LedgerError, StillwatchError
from stillwatch.guard.policy import Basis
from stillwatch.model.table import Table
from stillwatch.model.tables import CALIBRATIONS, DETECTION_RUNS, EXCHANGE_RECORDS, INGEST_BATCHES, PROMPT_SKETCHES
from stillwatch.pipeline.coverage import drifts, latest_batches
from stillwatch.pipeline.daily import n_other_sketches
from stillwatch.pipeline.lifecycle import BACKED_UP, Custodian
from stillwatch.pipeline.sharing import Sharing
from stillwatch.store.checkpoint import Checkpoints, open_note
from stillwatch.store.decisions import Decisions
from stillwatch.store.keys import Keys
from stillwatch.store.rekeying import key_id
from stillwatch.store.spool import sealed_files
from stillwatch.store.workspace import Workspace
from stillwatch.version import __version__

FREE_GIB: Final = 5.0
"""Free space under which it warns; a month of 1M exchanges a day without text takes about as much."""
CALIBRATION_DAYS: Final = 90
"""Age of a fitted calibration from which on it warns: two windows of detection."""
BACKUP_DAYS: Final = 7
SOON_DAYS: Final = 30
"""Legal bases and holds that end within so many days are told before they do."""
SPOOL_SECONDS: Final = 3600.0
"""Age of a spooled file from which on it warns: a running server ingests within seconds."""
STRAY_DAYS: Final = 2
"""Records dated so many days after the clock come from a source whose clock is wrong."""
SHIFTED: Final = "groups here lie elsewhere"
ANY_LAYOUT: Final = ("layout", "disk", "lake", "ingest")
OUR_LAYOUT: Final = (
    "keys", "clocks", "coverage", "sketches", "spool", "calibration", "decisions", "sharing", "holds", "retention",
    "backup",
)  # fmt: skip
"""Checks by name, in their order."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`; `fix` is a command or a step, empty where nothing is to be done."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


def examine(workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> list[Check]:
    """Every check of a workspace; one that cannot be made is a line of its own and stops no other.

    Of an earlier release's layout only what does not depend on it is checked.
    """
    patient = _Patient(workspace, config, clock)
    checks: list[Check] = []
    for name in ANY_LAYOUT if patient.custodian.pending() else (*ANY_LAYOUT, *OUR_LAYOUT):
        try:
            checks += getattr(patient, name)()
        except StillwatchError as error:
            checks.append(Check(name, "fail", str(error), "do what the message says, then run doctor again"))
    return checks


@dataclass(frozen=True, slots=True)
class _Patient:
    workspace: Workspace
    config: Config
    clock: Callable[[], datetime]

    @property
    def custodian(self) -> Custodian:
        return Custodian(self.workspace, self.config, clock=self.clock)

    def layout(self) -> Iterator[Check]:
        due = self.custodian.pending()
        if due:
            said = "; ".join(f"{step.part} {step.version} to {step.version + 1}: {step.says}" for step in due)
            yield Check(
                "schema", "fail", f"an earlier release's layout ({said})", "stillwatch backup; stillwatch migrate"
            )
        else:
            lake, state = self.workspace.lake.snapshot().schema_version, self.workspace.state.schema_version
            yield Check("schema", "ok", f"lake {lake}, state {state}, as this release writes them")

    def keys(self) -> Iterator[Check]:
        file = self.workspace.key_file
        keys = Keys.load(file)
        lake, state = self.workspace.lake.snapshot().key_id, key_id(self.workspace.state)
        if keys.next is not None:
            detail = f"a rotation from {keys.pseudonym_key_id} to {keys.next.key_id} was cut off"
            yield Check("keys", "fail", detail, 'stillwatch keys rotate --reason "finish"')
        elif {lake, state} != {keys.pseudonym_key_id}:
            detail = f"the key file holds {keys.pseudonym_key_id}, lake rows are under {lake}, state rows under {state}"
            yield Check("keys", "fail", detail, "restore the key file that belongs to this workspace")
        elif not self._signs(keys):
            detail = "the key file is another workspace's: it did not sign this ledger's checkpoints"
            yield Check("keys", "fail", detail, "name this workspace's key file by STILLWATCH_KEYS")
        elif file.resolve().is_relative_to(self.workspace.path.resolve()):
            detail = "the key file lies in the workspace: whoever copies the folder can open the vault"
            yield Check("keys", "fail", detail, "move it elsewhere and name it by STILLWATCH_KEYS")
        else:
            yield Check("keys", "ok", f"pseudonym key {lake}, outside of the workspace")

    def _signs(self, keys: Keys) -> bool:
        """Whether the ledger's last checkpoint, if there is one, is signed by these keys."""
        checkpoints = Checkpoints(self.workspace.state, keys)
        last = checkpoints.last()
        try:
            return last is None or open_note(last, checkpoints.verifier).size >= 0
        except LedgerError:
            return False

    def disk(self) -> Iterator[Check]:
        free = disk_usage(self.workspace.path).free / 2**30
        state: Literal["ok", "warn"] = "ok" if free > FREE_GIB else "warn"
        yield Check(
            "disk", state, f"{free:.0f} GiB free below the workspace", "" if state == "ok" else "stillwatch prune apply"
        )

    def lake(self) -> Iterator[Check]:
        snapshot = self.workspace.lake.snapshot()
        yield Check("workspace", "ok", f"{self.workspace.path}, lake version {snapshot.version}")

    def ingest(self) -> Iterator[Check]:
        batches = self._read(INGEST_BATCHES)
        rejected = sum(batches["rejected"].to_pylist())
        detail = f"{batches.num_rows} batches, {rejected:,} records in quarantine"
        if rejected:
            yield Check("ingest", "warn", detail, "stillwatch ingest ... --format json shows the reasons by batch")
        else:
            yield Check("ingest", "ok", detail)

    def clocks(self) -> Iterator[Check]:
        last = (self.clock() + timedelta(days=STRAY_DAYS)).date()
        stray = [
            day for day in self.workspace.lake.snapshot().partitions(EXCHANGE_RECORDS) if date.fromisoformat(day) > last
        ]
        if stray:
            detail = (
                f"records of {len(stray):,} days that have not come yet, up to {stray[-1]}: a source's clock is wrong"
            )
            yield Check("clocks", "warn", detail, "correct the source; stillwatch detect --as-of NOW meanwhile")
        else:
            yield Check("clocks", "ok", "no record is dated in the future")

    def coverage(self) -> Iterator[Check]:
        snapshot = self.workspace.lake.snapshot()
        drifted = drifts(snapshot, latest_batches(snapshot))
        for line in (line for drift in drifted for line in drift.lines()):
            yield Check("coverage", "warn", line, "compare the tool's release notes; update stillwatch or the mapping")
        if not drifted:
            yield Check("coverage", "ok", "every source reports the fields that it used to")

    def sketches(self) -> Iterator[Check]:
        snapshot = self.workspace.lake.snapshot()
        days = [date.fromisoformat(day) for day in snapshot.partitions(PROMPT_SKETCHES)]
        counted = [day for day in days if day > days[-1] - timedelta(days=self.config.detect.window_days)]
        old = {day: n for day in counted if (n := n_other_sketches(snapshot, day))}
        if old:
            last = max(old) + timedelta(days=self.config.detect.window_days)
            detail = f"{sum(old.values()):,} are of another release: those exchanges count without their content"
            yield Check("sketches", "warn", detail, f"wait: they leave the window of detection by {last}")
        else:
            yield Check("sketches", "ok", "all in the window of detection are of this release's version")

    def spool(self) -> Iterator[Check]:
        folder = self.workspace.path / "spool"
        files = sealed_files(folder) if folder.is_dir() else []
        now = self.clock().timestamp()
        old = [path for path in files if now - _modified(path, now) > SPOOL_SECONDS]
        if old:
            yield Check("spool", "warn", f"{len(old):,} files wait for ingest since over an hour", "stillwatch serve")
        else:
            yield Check("spool", "ok", f"{len(files):,} files wait for ingest")

    def calibration(self) -> Iterator[Check]:
        chosen = scoring.calibrations(self._read(CALIBRATIONS), None).to_pylist()[0]
        detail = f"{chosen['kind']} {str(chosen['calibration_id'])[:12]}"
        days = self.workspace.lake.snapshot().partitions(EXCHANGE_RECORDS)
        latest = datetime.fromisoformat(days[-1]).replace(tzinfo=UTC) if days else self.clock()
        age = (latest - chosen["created_at"]).days if chosen["kind"] == "fitted" else 0
        runs = self._read(DETECTION_RUNS).sort_by("as_of").to_pylist()
        is_shifted = bool(runs) and any(note.startswith(SHIFTED) for note in runs[-1]["notes"])
        if age > CALIBRATION_DAYS:
            yield Check("calibration", "warn", f"{detail} is {age} days older than the traffic", "stillwatch calibrate")
        elif is_shifted:
            detail = f"{detail}; the latest run found this population elsewhere than the calibration's"
            yield Check("calibration", "warn", detail, "stillwatch calibrate")
        else:
            yield Check("calibration", "ok", detail)

    def decisions(self) -> Iterator[Check]:
        n = Decisions(self.workspace.state, self.workspace.ledger).verify()
        yield Check("decisions", "ok", f"{n:,} as the ledger sealed them")

    def sharing(self) -> Iterator[Check]:
        policy = Sharing(self.workspace, self.config, version=__version__, clock=self.clock).policy
        now = self.clock()
        over, soon = policy.expired(now), policy.expired(now + timedelta(days=SOON_DAYS))
        detail = said_of_bases(over, soon)
        if over or soon:
            yield Check("sharing", "warn", detail, "ask counsel, then date the policy's bases ([sharing] policy)")
        else:
            yield Check("sharing", "ok", detail)

    def holds(self) -> Iterator[Check]:
        now = self.clock()
        standing = self.custodian.holds.standing(now)
        soon = [hold for hold in standing if hold.expires_at <= now + timedelta(days=SOON_DAYS)]
        detail = f"{len(standing):,} in force over {sum(hold.n_accounts for hold in standing):,} accounts"
        if soon:
            said = ", ".join(f"{hold.case_id} on {hold.expires_at:%Y-%m-%d}" for hold in soon[:4])
            yield Check("holds", "warn", f"{detail}; ending: {said}", "stillwatch hold CASE ... places one anew")
        else:
            yield Check("holds", "ok", detail)

    def retention(self) -> Iterator[Check]:
        due = self.custodian.expiring()
        if due:
            said = ", ".join(f"{one.table} {one.n_rows:,}" for one in due)
            yield Check("retention", "warn", f"rows past their time: {said}", "stillwatch prune apply")
        else:
            yield Check("retention", "ok", "nothing is past its time")

    def backup(self) -> Iterator[Check]:
        taken = [entry.at for entry in self.workspace.ledger.entries(BACKED_UP)]
        fix = "stillwatch backup PATH"
        if not taken:
            yield Check("backup", "warn", "none was ever taken", fix)
        elif (self.clock() - taken[-1]).days >= BACKUP_DAYS:
            yield Check("backup", "warn", f"the last one is of {taken[-1]:%Y-%m-%d}", fix)
        else:
            yield Check("backup", "ok", f"the last one is of {taken[-1]:%Y-%m-%d %H:%M}")

    def _read(self, table: Table) -> pa.Table:
        files = self.workspace.lake.snapshot().files(table)
        parts = [pq.read_table(file, schema=table.schema, partitioning=None) for file in files]
        return pa.concat_tables(parts) if parts else table.empty()


def said_of_bases(over: Sequence[Basis], soon: Sequence[Basis]) -> str:
    """What to say of legal bases that ran out, or that run out soon."""
    said = [f"{basis.id} ended on {basis.until}" for basis in over]
    said += [f"{basis.id} ends on {basis.until}" for basis in soon if basis not in over]
    if not said:
        return "every legal basis of the sharing policy holds"
    return f"{', '.join(said)}: sharing falls back to stricter profiles"


def _modified(path: Path, now: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # drained meanwhile
        return now

"""Makes the calibration that comes with the package: `python -m stillwatch.evaluate.ship FOLDER`.

Honest windows are kept in FOLDER as they are made, so that an interrupted run goes on where it stopped. At the end
the folder holds `shipped.json` (to be copied to `stillwatch/scoring/`) and `leave-one-class-out.json`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.config import Config
from stillwatch.engines import Engine, open_engine
from stillwatch.evaluate.calibrate import (
    HonestWindows,
    Plan,
    Progress,
    collect,
    fit_windows,
    join_windows,
    leave_one_class_out,
)
from stillwatch.scoring import HonestGroups

SHIPPED_PLAN: Final = Plan(
    reference_seeds=tuple(range(1, 6)), threshold_seeds=tuple(range(101, 149)), n_accounts=50_000
)
"""Seeds below 1,000 belong to the shipped calibration, those from 9,000 on to evaluation suites."""


def main(arguments: Sequence[str]) -> int:
    """Collect the shipped plan's windows in the folder that the one argument names, fit, and write the results."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    config = Config()
    engine = open_engine("duckdb", config.engines)
    try:
        plan = SHIPPED_PLAN
        reference = kept_windows(plan, plan.reference_seeds, folder, engine=engine, config=config, progress=_tell)
        threshold = kept_windows(plan, plan.threshold_seeds, folder, engine=engine, config=config, progress=_tell)
    finally:
        engine.close()
    calibration = fit_windows(reference, threshold, origin=plan.origin)
    (folder / "shipped.json").write_text(calibration.to_json(), encoding="utf-8")
    report = leave_one_class_out(reference, threshold, alpha=config.detect.alpha, settings=config.scoring)
    (folder / "leave-one-class-out.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 0


def kept_windows(
    plan: Plan, seeds: Sequence[int], folder: Path, *, engine: Engine, config: Config, progress: Progress
) -> HonestWindows:
    """The windows of these seeds, made anew only where `folder` does not hold them."""
    found = []
    for done, seed in enumerate(seeds):
        progress("honest windows", done, len(seeds))
        paths = [folder / f"{seed}-{part}.parquet" for part in ("groups", "signals")]
        if not all(path.exists() for path in paths):
            _write(collect(plan, [seed], engine=engine, config=config, progress=lambda *_: None), paths)
        found.append(_read(paths))
    progress("honest windows", len(seeds), len(seeds))
    return join_windows(found)


def _write(window: HonestWindows, paths: Sequence[Path]) -> None:
    noted = {"n_account_windows": str(window.n_account_windows)}
    for path, rows in zip(paths, (window.honest.groups, window.honest.signals), strict=True):
        pq.write_table(rows.replace_schema_metadata(noted), path)


def _read(paths: Sequence[Path]) -> HonestWindows:
    groups, signals = (pq.read_table(path) for path in paths)
    n_account_windows = int((groups.schema.metadata or {})[b"n_account_windows"])
    return HonestWindows(HonestGroups(_plain(groups), _plain(signals)), n_account_windows)


def _plain(rows: pa.Table) -> pa.Table:
    return rows.replace_schema_metadata(None)


def _tell(step: str, done: int, total: int) -> None:
    sys.stderr.write(f"{step}: {done} of {total}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Makes the calibration that comes with the package: `python -m stillwatch.evaluate.ship FOLDER [FIRST LAST]`.

Windows are kept in FOLDER as they are made, so that an interrupted run goes on where it stopped. With FIRST and LAST
only the windows with seeds from FIRST up to but not including LAST are made, so that several processes can fill one
folder. Without them, the missing windows are made, and the folder holds at the end `shipped.json` (to be copied to
`stillwatch/scoring/`), `benchmark.md`, `leave-one-class-out.json` and `model-card.md`.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    collect,
    fit_windows,
    join_windows,
    leave_one_class_out,
    reductions,
)
from stillwatch.evaluate.heldout import comparison_table, judge_planted, without_each_signal
from stillwatch.evaluate.model_card import Findings, model_card
from stillwatch.evaluate.training import join_planted, planted_window
from stillwatch.scoring import HonestGroups, PlantedGroups

SHIPPED_PLAN: Final = Plan(
    reference_seeds=tuple(range(1, 13)),
    threshold_seeds=(*range(101, 171), *range(173, 195)),
    training_seeds=tuple(range(201, 247)),
    heldout_seeds=tuple(range(301, 321)),
    begun_seeds=(*range(231, 247), *range(313, 321)),
    n_accounts=50_000,
)
"""Seeds below 1,000 belong to the shipped calibration, those from 9,000 on to evaluation suites."""
THINNED: Final = 3
"""Leaving out one class or signal after the other means some forty fits: each has every third window of the plan."""
ACCOUNT_WINDOWS: Final = b"n_account_windows"

Make = Callable[[int], tuple[pa.Table, pa.Table]]


@dataclass(frozen=True, slots=True)
class Samples:
    """The windows of a plan, by what they are for."""

    reference: HonestWindows
    threshold: HonestWindows
    training: PlantedGroups
    heldout: PlantedGroups


def main(arguments: Sequence[str]) -> int:
    """Make the windows that the arguments name; without a range of seeds also fit, measure and write the results."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    config = Config()
    engine = open_engine("duckdb", config.engines)
    try:
        if len(arguments) > 1:
            make_windows(SHIPPED_PLAN, range(*map(int, arguments[1:])), folder, engine=engine, config=config)
            return 0
        samples = kept_samples(SHIPPED_PLAN, folder, engine=engine, config=config)
        few = kept_samples(thinned(SHIPPED_PLAN), folder, engine=engine, config=config)
    finally:
        engine.close()
    ship(SHIPPED_PLAN, samples, few, folder, config=config)
    return 0


def thinned(plan: Plan) -> Plan:
    """The plan with every third of the windows that a calibration is fitted to, and all that it is tested on."""
    return msgspec.structs.replace(
        plan,
        reference_seeds=plan.reference_seeds[::THINNED],
        threshold_seeds=plan.threshold_seeds[::THINNED],
        training_seeds=plan.training_seeds[::THINNED],
    )


def ship(plan: Plan, samples: Samples, few: Samples, folder: Path, *, config: Config) -> None:
    """Fit the calibration and write it to `folder` with what was measured about it; the slow measurements come last.

    These leave out one class of honest groups, or one signal, after the other, in the windows of `few`.
    """
    alpha, settings = config.detect.alpha, config.scoring
    reference, threshold, training, heldout = samples.reference, samples.threshold, samples.training, samples.heldout
    fitted = {
        "sum": fit_windows(reference, threshold, origin=plan.origin),
        "boosting": fit_windows(reference, threshold, training, origin=plan.origin, reductions=reductions()),
    }
    _write_text(folder / "shipped.json", fitted["boosting"].to_json())
    compared = {name: judge_planted(heldout, one, alpha=alpha, settings=settings) for name, one in fitted.items()}
    _write_text(folder / "benchmark.md", "\n".join(comparison_table(compared)) + "\n")
    fewer = few.reference, few.threshold, few.training
    left_out = leave_one_class_out(*fewer, alpha=alpha, settings=settings)
    _write_text(folder / "leave-one-class-out.json", msgspec.json.format(msgspec.json.encode(left_out)).decode())
    from_few = judge_planted(heldout, fit_windows(*fewer, origin=plan.origin), alpha=alpha, settings=settings)
    ablated = without_each_signal(*fewer, heldout, alpha=alpha, settings=settings)
    findings = Findings(compared=compared, from_few=from_few, ablated=ablated, left_out=left_out)
    card = model_card(plan, fitted["boosting"], findings, alpha=alpha)
    _write_text(folder / "model-card.md", card)


def make_windows(plan: Plan, seeds: Sequence[int], folder: Path, *, engine: Engine, config: Config) -> None:
    """Those of the plan's windows with these seeds that `folder` does not hold."""
    quiet = [seed for seed in (*plan.reference_seeds, *plan.threshold_seeds) if seed in seeds]
    planted = [seed for seed in (*plan.training_seeds, *plan.heldout_seeds) if seed in seeds]
    for wanted, make in ((quiet, _quiet(plan, engine, config)), (planted, _planted(plan, engine, config))):
        for done, seed in enumerate(wanted):
            sys.stderr.write(f"windows: {done} of {len(wanted)}, seed {seed}\n")
            kept_window(seed, folder, make)


def kept_samples(plan: Plan, folder: Path, *, engine: Engine, config: Config) -> Samples:
    """All windows of the plan, made anew only where `folder` does not hold them."""
    every = (*plan.reference_seeds, *plan.threshold_seeds, *plan.training_seeds, *plan.heldout_seeds)
    make_windows(plan, every, folder, engine=engine, config=config)
    quiet, planted = _quiet(plan, engine, config), _planted(plan, engine, config)
    reference, threshold = (
        join_windows([_as_honest(*kept_window(seed, folder, quiet)) for seed in seeds])
        for seeds in (plan.reference_seeds, plan.threshold_seeds)
    )
    training, heldout = (
        join_planted([PlantedGroups(*map(_plain, kept_window(seed, folder, planted))) for seed in seeds])
        for seeds in (plan.training_seeds, plan.heldout_seeds)
    )
    return Samples(reference, threshold, training, heldout)


def kept_window(seed: int, folder: Path, make: Make) -> tuple[pa.Table, pa.Table]:
    """Groups and signals of the seed's window, from `folder` or made and kept there.

    Each file appears whole or not at all; of processes that make one window at once the last one's equal file stays.
    """
    paths = [folder / f"{seed}-{part}.parquet" for part in ("groups", "signals")]
    if not all(path.exists() for path in paths):
        for path, rows in zip(paths, make(seed), strict=True):
            draft = path.with_suffix(f".{os.getpid()}")
            pq.write_table(rows, draft)
            draft.replace(path)
    return pq.read_table(paths[0]), pq.read_table(paths[1])


def _quiet(plan: Plan, engine: Engine, config: Config) -> Make:
    """Makes a quiet window; the accounts behind it are noted in the schema."""

    def make(seed: int) -> tuple[pa.Table, pa.Table]:
        window = collect(plan, [seed], engine=engine, config=config, progress=lambda *_: None)
        noted = {ACCOUNT_WINDOWS: str(window.n_account_windows).encode()}
        return window.honest.groups.replace_schema_metadata(noted), window.honest.signals

    return make


def _planted(plan: Plan, engine: Engine, config: Config) -> Make:
    """Makes a window with campaigns."""

    def make(seed: int) -> tuple[pa.Table, pa.Table]:
        window = planted_window(plan, seed, engine=engine, config=config)
        return window.groups, window.signals

    return make


def _as_honest(groups: pa.Table, signals: pa.Table) -> HonestWindows:
    n_account_windows = int((groups.schema.metadata or {})[ACCOUNT_WINDOWS])
    return HonestWindows(HonestGroups(_plain(groups), _plain(signals)), n_account_windows)


def _plain(rows: pa.Table) -> pa.Table:
    return rows.replace_schema_metadata(None)


def _write_text(path: Path, body: str) -> None:
    path.write_text(body, encoding="utf-8")
    sys.stderr.write(f"wrote {path}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

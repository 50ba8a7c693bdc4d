"""What a suite is, and how its seeds are run and kept so that an interrupted run goes on where it stopped."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

import stillwatch
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.errors import UsageError
from stillwatch.evaluate.outcomes import Fate, Part, class_rows, fate_of, honest_accounts
from stillwatch.evaluate.report import Body, Report, commit_of_checkout
from stillwatch.evaluate.worlds import Judged
from stillwatch.pipeline import Progress, silent
from stillwatch.scoring import Calibration
from stillwatch.simulate import Campaign, HonestMix, World
from stillwatch.simulate.lookalikes import LOOKALIKES

N_ACCOUNTS: Final = 20_000
"""Honest accounts of an evaluation world."""
FIRST_SEED: Final = 9_000
"""Seeds from here on belong to evaluation; smaller ones may have been calibrated on (`evaluate.ship`)."""
CODE: Final = (".py", ".json")
SEEDS: Final = (9001, 9002, 9003, 9004, 9005)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every suite measures with.

    `data` is a folder of real data sets, for the suites that need one. `progress` and `tell` say how far a run is.
    """

    engine: Engine
    config: Config
    calibration: Calibration
    n_accounts: int = N_ACCOUNTS
    data: Path | None = None
    progress: Progress = silent
    tell: Callable[[str], None] = lambda _said: None

    def world(self, campaigns: Sequence[Campaign], *, n_days: int = 45) -> World:
        """Honest accounts with every look-alike class, and these campaigns."""
        honest = HonestMix(
            n_accounts=self.n_accounts,
            n_frameworks=max(12, min(300, self.n_accounts // 60)),
            lookalikes=LOOKALIKES,
        )
        return World(honest=honest, campaigns=tuple(campaigns), n_days=n_days)

    def at(self, *, alpha: float | None, n_accounts: int | None) -> "Bench":
        """The bench that judges worlds of this size at this alpha; None leaves what it has."""
        settings = self.config.detect if alpha is None else msgspec.structs.replace(self.config.detect, alpha=alpha)
        config = msgspec.structs.replace(self.config, detect=settings)
        return replace(self, config=config, n_accounts=self.n_accounts if n_accounts is None else n_accounts)

    def data_set(self, name: str) -> Path:
        """The folder of one real data set.

        Raises:
            UsageError: no folder of data sets was given, or this one is not in it.
        """
        if self.data is None:
            raise UsageError("this suite needs real data sets: name their folder with --data DIR")
        folder = self.data / name
        if not folder.is_dir():
            raise UsageError(f"there is no data set {name!r} in {self.data}")
        return folder


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What a kept part was measured with, `code` included; a part with another stamp is measured anew."""

    suite: str
    seed: int
    alpha: float
    calibration_id: str
    n_accounts: int
    code: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it lies in a folder."""

    stamp: Stamp
    part: Part


@dataclass(frozen=True, slots=True)
class Suite:
    """One question to the detector. `measure` answers it for a seed, `report` for all seeds together.

    `alpha` None takes that of the settings, `n_accounts` None that of the bench.
    """

    name: str
    question: str
    measure: Callable[[int, Bench], Part]
    report: Callable[[Sequence[Part], Bench], Body]
    seeds: tuple[int, ...] = SEEDS
    alpha: float | None = None
    n_accounts: int | None = None


def honest_part(seed: int, judged: Sequence[Judged], fates: Sequence[Fate], **values: float) -> Part:
    """A part with these fates, and with what became of the honest people of the judged worlds."""
    honest = [fate_of("honest", honest_accounts(one), one.findings) for one in judged]
    return Part(
        seed=seed,
        fates=tuple(fates),
        classes=tuple(row for one in judged for row in class_rows(one)),
        n_windows=len(judged),
        n_honest=sum(fate.n_accounts for fate in honest),
        n_honest_accused=sum(fate.n_accused for fate in honest),
        values=values,
    )


def run_suite(suite: Suite, seeds: Sequence[int], bench: Bench, *, folder: Path | None = None) -> Report:
    """The suite over these seeds; with a folder, parts are kept there and only missing ones are measured.

    Raises:
        UsageError: a seed is below those that belong to evaluation, or the suite needs data that was not given.
    """
    early = [seed for seed in seeds if seed < FIRST_SEED]
    if early:
        raise UsageError(f"seeds of evaluation begin at {FIRST_SEED}, got {early}: smaller ones were calibrated on")
    bench = bench.at(alpha=suite.alpha, n_accounts=suite.n_accounts)
    code = code_digest()
    parts = []
    for done, seed in enumerate(seeds):
        bench.progress(suite.name, done, len(seeds))
        bench.tell(f"{suite.name}: seed {seed}, {done + 1} of {len(seeds)}")
        stamp = Stamp(
            suite=suite.name, seed=seed, alpha=bench.config.detect.alpha, n_accounts=bench.n_accounts,
            calibration_id=bench.calibration.calibration_id, code=code,
        )  # fmt: skip
        parts.append(_part(suite, stamp, bench, folder))
    bench.progress(suite.name, len(seeds), len(seeds))
    return Report(
        suite=suite.name,
        question=suite.question,
        alpha=bench.config.detect.alpha,
        calibration_id=bench.calibration.calibration_id,
        commit=commit_of_checkout(),
        n_accounts=bench.n_accounts,
        seeds=tuple(seeds),
        body=suite.report(parts, bench),
        parts=tuple(parts),
    )


def code_digest() -> str:
    """BLAKE2b of every source file and data file of the package: equal code has an equal digest on every machine."""
    root = Path(stillwatch.__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for suffix in CODE for path in root.rglob(f"*{suffix}")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _part(suite: Suite, stamp: Stamp, bench: Bench, folder: Path | None) -> Part:
    """The kept part where its stamp is the same, else a new one, which is kept."""
    if folder is None:
        return suite.measure(stamp.seed, bench)
    path = folder / f"{suite.name}-{stamp.seed}.json"
    part = _kept(path, stamp)
    if part is None:
        part = suite.measure(stamp.seed, bench)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(Kept(stamp=stamp, part=part))))
        fresh.replace(path)
    return part


def _kept(path: Path, stamp: Stamp) -> Part | None:
    """The part at `path`; None where there is none, it was measured with something else, or it cannot be read."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return kept.part if kept.stamp == stamp else None

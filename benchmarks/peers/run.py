"""Stillwatch beside its peers, on the same telemetry.

    python benchmarks/peers/run.py -o DIR [--seeds 9501 9502] [--accounts 4000] [--days 30] [--only mmd kollude]

For each seed: simulate a window (event level, with text), run stillwatch as shipped through its command line, and every
peer of `methods` in a process of its own. Peers have their best thresholds in hindsight on that very window; stillwatch
decides beforehand. Prints Markdown; writes `DIR/peers.json` and `DIR/peers.md`. Environments of packages are made once,
below DIR/environments (or --environments).
"""

import argparse
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from environments import CannotInstallError, python_of
from measure import Measured, measure
from peer import HERE, method, method_names

CALL = "from stillwatch.cli.app import script; script()"
OWN = "stillwatch"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how everything runs; `limit` is the seconds that one detector may take for one window."""

    out: Path
    environments: Path
    limit: float
    cores: int

    def environ(self, **more: str) -> dict[str, str]:
        """Environment variables of a process: as many threads as cores."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.cores))
        return os.environ | threads | {"STILLWATCH_ENGINES__THREADS": str(self.cores)} | more

    def say(self, text: str) -> None:
        """Progress on standard error."""
        print(text, file=sys.stderr, flush=True)


def make_world(bench: Bench, seed: int, n_accounts: int, n_days: int) -> Path:
    """The folder of one seed's telemetry, made where it is not there yet."""
    folder = bench.out / f"world-{seed}-{n_accounts}-{n_days}"
    if not (folder / "vectors.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [str(number) for number in (seed, n_accounts, n_days)]
        command = [sys.executable, str(HERE / "world.py"), str(folder), *numbers]
        took = measure(command, environ=bench.environ(), limit=3600, log=bench.out / "world.log")
        if took.failure:
            raise SystemExit(f"the world of seed {seed} was not made: {took.failure}")
        bench.say(f"seed {seed}: world made in {took.wall:.0f} s")
    return folder


def run_own(bench: Bench, world: Path, found: Path) -> Measured:
    """Stillwatch as shipped, through its command line, in a new workspace."""
    workspace = world / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    keys = world / "keys.json"
    keys.unlink(missing_ok=True)
    took = Measured(0.0, 0.0, 0.0)
    for verb in (
        ["init"],
        ["ingest", str(world / "exchanges")],
        ["ingest", "accounts", str(world / "accounts.parquet")],
        ["detect"],
        ["accounts", "--format", "parquet", "-o", str(found)],
    ):
        command = [sys.executable, "-c", CALL, "--workspace", str(workspace), "--quiet", *verb]
        environ = bench.environ(STILLWATCH_KEYS=str(keys))
        took += measure(command, environ=environ, limit=bench.limit, log=world / f"{OWN}-{verb[0]}.log")
        if took.failure:
            break
    return took


def run_peer(bench: Bench, name: str, world: Path, found: Path) -> Measured:
    """One peer in its own environment; a peer that cannot be installed has the reason as its failure."""
    requirements = method(name).peer.requirements
    try:
        python = str(python_of(requirements, bench.environments)) if requirements else sys.executable
    except CannotInstallError as error:
        return Measured(0.0, 0.0, 0.0, f"cannot be installed: {error}")
    environ = bench.environ()
    environ.pop("PYTHONPATH", None)
    command = [python, str(HERE / "rank_one.py"), name, str(world), str(found)]
    return measure(command, environ=environ, limit=bench.limit, log=world / f"{name}.log")


def run_seed(bench: Bench, world: Path, names: list[str]) -> dict[str, Measured]:
    """Time and memory of every detector on one world; what it found is in `world/<name>.parquet`."""
    took = {}
    for name in [OWN, *names]:
        found = world / f"{name}.parquet"
        found.unlink(missing_ok=True)
        took[name] = run_own(bench, world, found) if name == OWN else run_peer(bench, name, world, found)
        bench.say(f"{world.name}: {name} {took[name].wall:.0f} s {took[name].failure}")
    return took


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[9501, 9502],
        help="from 9000 on: smaller ones belong to the calibration",
    )
    parser.add_argument("--accounts", type=int, default=4_000, help="honest accounts; 400 of campaigns come on top")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=method_names(), default=method_names())
    parser.add_argument("--environments", type=Path, help="where the peers' packages are installed")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one detector on one window")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Run everything, then compare."""
    given = options()
    out = given.output.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environments = (given.environments or out / "environments").resolve()
    bench = Bench(out, environments, given.limit, given.cores)
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: given.cores]))
    took: dict[int, dict[str, Measured]] = {}
    worlds = {}
    for seed in given.seeds:
        worlds[seed] = make_world(bench, seed, given.accounts, given.days)
        took[seed] = run_seed(bench, worlds[seed], given.only)

    from report import write_report  # only now: see the note in `measure`

    times = {seed: {name: asdict(one) for name, one in of_seed.items()} for seed, of_seed in took.items()}
    print(write_report(out, worlds, times, cores=given.cores))


if __name__ == "__main__":
    main()

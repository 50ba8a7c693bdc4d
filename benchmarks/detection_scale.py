"""Measure the whole way from telemetry to campaigns: wall time, CPU time and peak memory of each step.

Usage: python benchmarks/detection_scale.py [--scales 0.001 0.01] [--seed 11] [--cores 2] [--memory 3GB]

Each step is the command line in a process of its own: `simulate reference --scale S` (scale 0.01 is about 3 million
exchanges with text), `ingest`, `ingest accounts`, the first `detect`, which makes the daily features of the whole
window, and a second `detect`, which finds them made. Prints one Markdown row a scale and step.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCENARIO = "reference"
CALL = "from stillwatch.cli.app import script; script()"


@dataclass(frozen=True, slots=True)
class Measured:
    """One step: wall and CPU seconds, the peak of its resident memory in MB, and what it printed."""

    step: str
    wall: float
    cpu: float
    peak_mb: float
    printed: str


def measure(step: str, arguments: Sequence[str], environ: dict[str, str], folder: Path) -> Measured:
    """Run one verb in a new process.

    NOTE: the parent imports nothing heavy, because the peak that the kernel reports for a child starts at the size of
    the process that started it.
    """
    out = folder / "stdout"
    with out.open("wb") as stream:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", CALL, *arguments], env=environ, stdout=stream)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{step}: exit code {child.returncode}")
    return Measured(step, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read_text())


def measure_scale(
    scale: float, seed: int, environ: dict[str, str], folder: Path
) -> tuple[list[Measured], dict[str, int]]:
    """Every step of one scale, and the counts that the steps printed."""
    world = folder / "world"
    base = ["--workspace", str(folder / "workspace"), "--quiet"]
    verbs = {
        "simulate": ["simulate", SCENARIO, "-o", str(world), "--scale", str(scale), "--seed", str(seed)],
        "init": ["init"],
        "ingest": ["ingest", str(world / "exchanges"), "--format", "json"],
        "ingest accounts": ["ingest", "accounts", str(world / "accounts.parquet"), "--format", "json"],
        "detect": ["detect", "--format", "json"],
        "detect again": ["detect", "--format", "json"],
    }
    steps = {}
    for name, verb in verbs.items():
        steps[name] = measure(name, [*base, *verb], environ, folder)
        done = steps[name]
        print(f"{name}: {done.wall:.1f} s, CPU {done.cpu:.1f} s, {done.peak_mb:,.0f} MB", file=sys.stderr, flush=True)
    campaigns = json.loads(steps["detect"].printed)
    counts = {
        "exchanges": sum(batch["rows_out"] for batch in json.loads(steps["ingest"].printed)),
        "accounts": sum(batch["rows_out"] for batch in json.loads(steps["ingest accounts"].printed)),
        "campaigns": len(campaigns),
        "accounts_found": sum(campaign["n_accounts"] for campaign in campaigns),
    }
    return [steps[name] for name in verbs if name != "init"], counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.001, 0.01])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="2GB", help="limit of the engine; the process holds more than the engine")
    parser.add_argument("--keep", type=Path, help="keep the worlds and workspaces below this folder")
    options = parser.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.cores]))
    total_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"scenario {SCENARIO}, seed {options.seed}; {options.cores} of {os.cpu_count()} cores {platform.machine()},")
    print(f"{total_gib:.0f} GiB memory, engine limited to {options.memory}\n")
    print("| exchanges | accounts | step | wall s | CPU s | peak MB | exchanges/s | campaigns (accounts) |")
    print("|---:|---:|---|---:|---:|---:|---:|---|", flush=True)
    for scale in options.scales:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)).resolve() / f"scale-{scale}"
            folder.mkdir(parents=True)
            environ = os.environ | {
                "STILLWATCH_KEYS": str(folder / "keys.json"),
                "STILLWATCH_ENGINES__THREADS": str(options.cores),
                "STILLWATCH_ENGINES__MEMORY_LIMIT": options.memory,
            }
            steps, counts = measure_scale(scale, options.seed, environ, folder)
        for step in steps:
            found = f"{counts['campaigns']} ({counts['accounts_found']:,})" if "detect" in step.step else ""
            rate = "" if step.step == "ingest accounts" else f"{counts['exchanges'] / step.wall:,.0f}"
            print(
                f"| {counts['exchanges']:,} | {counts['accounts']:,} | {step.step} | {step.wall:.1f} | {step.cpu:.1f} "
                f"| {step.peak_mb:,.0f} | {rate} | {found} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

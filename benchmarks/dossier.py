"""How long a dossier takes to build, typeset, verify and compute again, and whether every flipped byte is found.

    python benchmarks/dossier.py [--flips 400]

Makes a small simulated week in a temporary folder, detects, and builds the dossier of its first campaign.
"""

import argparse
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stillwatch import simulate
from stillwatch.config import Config, DetectSettings
from stillwatch.evidence import standalone
from stillwatch.pipeline.recomputing import recompute
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace

CONFIG = Config(detect=DetectSettings(window_days=7, alpha=5e-3))
WORLD = simulate.World(
    honest=simulate.HonestMix(n_accounts=400, n_frameworks=12, power_share=0.005),
    campaigns=(simulate.Campaign(name="plain", n_accounts=150, exchanges_per_day=15.0, dilution=0.0, p_share=0.3),),
    n_days=7,
    release_day=4,
)
START = datetime(2026, 5, 10, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=400)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), arguments.flips)


def measure(folder: Path, n_flips: int) -> None:
    made = simulate.simulate(WORLD, seed=5, out_dir=folder / "world")
    workspace = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    ticks = (START + timedelta(seconds=second) for second in range(1_000_000))
    with Stillwatch(workspace, CONFIG, clock=lambda: next(ticks)) as watch:
        watch.ingest_accounts([made.accounts])
        watch.ingest([made.exchanges])
        watch.detect()
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        bare = timed("build without PDF", lambda: watch.dossier(campaign_id, has_pdf=False))
        body = timed("build with PDF", lambda: watch.dossier(campaign_id))
        time.sleep(2.1)
        print("built again later, equal bytes:", watch.dossier(campaign_id) == body)
    path = folder / "case.zip"
    by_command(folder, campaign_id)
    path.write_bytes(body)
    print(f"bytes: {len(body):,} with PDF, {len(bare):,} without")
    for step in timed("verify", lambda: standalone.verify(path)).steps:
        print(" ", step)
    found = timed("recompute", lambda: recompute(path))
    print(
        f"figures equal: {found.n_equal}, different: {len(found.differences)}, {len(found.not_computed)} not computed"
    )
    print(f"{platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    flip(path, body, n_flips)


def by_command(folder: Path, campaign_id: str) -> None:
    """One command in a new process, as a person gives it: everything is loaded for it alone."""
    command = "from stillwatch.cli.app import script; script()"
    said = ["--workspace", str(folder / "workspace"), "dossier", "build", campaign_id, "-o", str(folder / "own.zip")]
    environ = os.environ | {"STILLWATCH_KEYS": str(folder / "keys.json")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", command, *said], check=True, env=environ, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"build by command, with PDF: {time.perf_counter() - began:.2f} s, {cpu:.2f} s of processor time")


def flip(path: Path, body: bytes, n_flips: int) -> None:
    """Flip single bits at random places of the file."""
    places = random.Random(1)
    n_found = 0
    for _ in range(n_flips):
        changed = bytearray(body)
        changed[places.randrange(len(body))] ^= 1 << places.randrange(8)
        path.write_bytes(changed)
        try:
            standalone.verify(path)
        except standalone.Damaged:
            n_found += 1
    print(f"flipped bits found: {n_found} of {n_flips}")


def timed(name: str, work):
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(f"{name}: {time.perf_counter() - began:.2f} s, {time.process_time() - cpu:.2f} s of processor time")
    return result


if __name__ == "__main__":
    main()

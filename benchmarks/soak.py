"""Memory and file descriptors of server, receiver, drain, pull and watch under a bounded load. Prints Markdown.

Run: python benchmarks/soak.py [--minutes 60] [--spans-per-second 20] [--seed 1] [-o DIR]

Writes DIR/soak.json (every sample) and DIR/soak.svg (the curves). The verdict is by slope: over the second half of the
run the Theil-Sen line of each process may rise by at most a tenth of its median memory, and by at most 4 descriptors.
What is stored grows meanwhile, as it does in life. Exit code 1 when a process ended, a record
is missing, or a curve is not flat.
"""

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np

from receiver_rate import request
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

SAMPLE_SECONDS = 5.0
REQUEST_SECONDS = 2.0
FILE_SECONDS = 20.0
LINES_A_FILE = 50
SETTLE_SECONDS = 600.0
"""How long the drain may take for what it is behind when the load ends."""
MOST_RISE = 0.10
MOST_DESCRIPTORS = 4
COMMAND = [sys.executable, "-c", "from stillwatch.cli.app import script; script()"]
COLOURS = ("#4c78a8", "#d1782f", "#54a24b", "#b279a2")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process and its children: seconds since the start, resident MiB, open descriptors."""

    name: str
    at: float
    resident_mib: float
    n_descriptors: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A process over the second half of the run; slopes are per hour."""

    name: str
    median_mib: float
    mib_per_hour: float
    rise_share: float
    median_descriptors: float
    descriptors_per_hour: float
    descriptors_rise: float
    is_flat: bool


class Running:
    """The processes under load, by name."""

    def __init__(self, workspace: Path, logs: Path, port: int) -> None:
        self._logs = logs
        base = [*COMMAND, "--workspace", str(workspace)]
        inbox = logs / "inbox"
        inbox.mkdir()
        self.processes = {
            "server": self._start("server", [*base, "serve", "--port", str(port)]),
            "pull": self._start("pull", [*base, "ingest", str(inbox), "--watch", "--every", "10s"]),
            "watch": self._start("watch", [*base, "watch", "--every", "2m"]),
        }
        self.inbox = inbox

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._logs / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def ended(self) -> list[str]:
        """Names of processes that are no longer there."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def stop(self) -> None:
        """End every process; one that does not heed is killed."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def look(name: str, root: int, at: float) -> Sample:
    """Memory and descriptors of a process and of all below it."""
    members = {root}
    parents = dict(_parents())
    while fresh := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= fresh
    pages = n_descriptors = 0
    for pid in members:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            n_descriptors += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return Sample(name, at, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, n_descriptors)


def _parents() -> list[tuple[int, int]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found.append((int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def post(url: str, body: bytes, key: str, kind: str) -> int:
    """The status of a call, 0 when there was no answer."""
    headers = {"x-stillwatch-key": key, "content-type": kind}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def log_file(number: int, seed: int) -> str:
    """Some canonical records, every id new."""
    now = datetime.now(UTC).isoformat()
    rng = np.random.default_rng([seed, number])
    return "".join(
        json.dumps({
            "source_record_id": f"f-{number}-{n}", "account_id": f"acct-{rng.integers(5_000)}", "start_time": now,
            "request_model": "m-1", "prompt": f"Explain task {rng.integers(10**6)} step by step.", "input_tokens": 120,
        }) + "\n"
        for n in range(LINES_A_FILE)
    )  # fmt: skip


def drive(
    running: Running, keys: dict[Role, str], url: str, chosen: argparse.Namespace
) -> tuple[list[Sample], dict[str, int]]:
    """Load the processes for the wanted time; the samples, and counts of what was sent."""
    began = time.monotonic()
    samples: list[Sample] = []
    counts = {"requests": 0, "refused": 0, "decisions": 0, "files": 0}
    due = {"sample": began, "request": began, "file": began}
    while (now := time.monotonic()) < began + 60 * chosen.minutes and not running.ended():
        if now >= due["request"]:
            n = counts["requests"] = counts["requests"] + 1
            body = request(round(chosen.spans_per_second * REQUEST_SECONDS), chosen.seed * 10**6 + n)
            status = post(f"{url}/v1/traces", body, keys[Role.INGEST], "application/x-protobuf")
            counts["refused"] += status != 200
            asked = json.dumps({"account_id": f"acct-{n % 5_000}", "model": "m-1"}).encode()
            counts["decisions"] += post(f"{url}/v1/decision", asked, keys[Role.INGEST], "application/json") == 200
            due["request"] += REQUEST_SECONDS
        if now >= due["file"]:
            counts["files"] += 1
            draft = running.inbox / f"{counts['files']}.part"
            draft.write_text(log_file(counts["files"], chosen.seed))
            draft.rename(running.inbox / f"{counts['files']}.jsonl")
            due["file"] += FILE_SECONDS
        if now >= due["sample"]:
            samples += [look(name, process.pid, now - began) for name, process in running.processes.items()]
            due["sample"] += SAMPLE_SECONDS
        time.sleep(max(0.0, min(due.values()) - time.monotonic()))
    return samples, counts


def settled(path: Path, counts: dict[str, int], chosen: argparse.Namespace, running: Running) -> int:
    """Records stored once everything that was sent is, or after SETTLE_SECONDS; what was sent goes into `counts`."""
    taken = counts["requests"] - counts["refused"]
    counts["records"] = taken * round(chosen.spans_per_second * REQUEST_SECONDS) + counts["files"] * LINES_A_FILE
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        with Workspace.open(path) as workspace:
            n_records = workspace.lake.snapshot().n_rows(EXCHANGE_RECORDS)
        if n_records >= counts["records"] or time.monotonic() > until or running.ended():
            return n_records
        time.sleep(2)


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median slope over all pairs of points that are a tenth of the time apart or more; 0 with fewer than two."""
    least = 0.1 * (points[-1][0] - points[0][0]) if points else 0.0
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] - a[0] > least]
    return statistics.median(slopes) if slopes else 0.0


def judge(name: str, samples: Sequence[Sample]) -> Verdict:
    """Whether a process holds its memory and its descriptors over the second half of the run."""
    mine = [sample for sample in samples if sample.name == name]
    late = [sample for sample in mine if sample.at >= mine[-1].at / 2]
    seconds = late[-1].at - late[0].at
    memory = theil_sen([(sample.at, sample.resident_mib) for sample in late])
    descriptors = theil_sen([(sample.at, float(sample.n_descriptors)) for sample in late])
    level = statistics.median(sample.resident_mib for sample in late)
    rise, opened = memory * seconds / level, descriptors * seconds
    return Verdict(
        name, level, memory * 3600, rise, statistics.median(sample.n_descriptors for sample in late),
        descriptors * 3600, opened, rise <= MOST_RISE and opened <= MOST_DESCRIPTORS,
    )  # fmt: skip


def curves(samples: Sequence[Sample], names: Sequence[str]) -> str:
    """Two panels, memory above and descriptors below, as an SVG that stands alone."""
    width, height, left, panel = 760, 460, 60, 170
    end = max(sample.at for sample in samples) or 1.0
    parts = [f'<rect width="{width}" height="{height}" fill="#fff"/>']
    panels = (("resident MiB", [s.resident_mib for s in samples]), ("descriptors", [s.n_descriptors for s in samples]))
    for at, (title, values) in enumerate(panels):
        top, most = 30 + at * (panel + 45), max(values) * 1.1 or 1.0
        foot = top + panel
        parts.append(f'<text x="{left}" y="{top - 8}">{title}, up to {most:.0f}</text>')
        parts.append(f'<path d="M{left} {top}V{foot}H{width - 20}" fill="none" stroke="#999"/>')
        for name, colour in zip(names, COLOURS, strict=False):
            points = " ".join(
                f"{left + (width - left - 20) * s.at / end:.1f},{foot - panel * value / most:.1f}"
                for s, value in zip(samples, values, strict=True)
                if s.name == name
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    legend = "".join(
        f'<text x="{left + 110 * at}" y="{height - 8}" style="fill:{colour}">{name}</text>'
        for at, (name, colour) in enumerate(zip(names, COLOURS, strict=False))
    )
    style = "<style>text{font:13px sans-serif;fill:#222}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="memory and descriptors over {end / 60:.0f} minutes">{style}{"".join(parts)}{legend}</svg>\n'
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, running: Running) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and not running.ended():
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"the server did not start; ended: {running.ended()}")


def tell(verdicts: Sequence[Verdict], counts: dict[str, int], chosen: argparse.Namespace, n_records: int) -> None:
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[1]:.1f}; ", end="")
    print(f"{chosen.minutes:g} minutes, {chosen.spans_per_second:g} spans a second, seed {chosen.seed}")
    print(
        f"\nsent: {counts['requests']:,} exports ({counts['refused']} refused), {counts['decisions']:,} decisions, ",
        end="",
    )
    print(f"{counts['files']} files; {n_records:,} of {counts['records']:,} records stored\n")
    print("| process | MiB | MiB/h | rise | descriptors | a hour | flat |\n|---|--:|--:|--:|--:|--:|---|")
    for one in verdicts:
        print(
            f"| {one.name} | {one.median_mib:.0f} | {one.mib_per_hour:+.1f} | {one.rise_share:+.1%} "
            f"| {one.median_descriptors:.0f} | {one.descriptors_per_hour:+.1f} | {'yes' if one.is_flat else 'NO'} |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--spans-per-second", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["XDG_CONFIG_HOME"] = f"{folder}/config"
        path = Path(folder) / "w"
        Workspace.init(path).close()
        with Workspace.open(path) as workspace:
            keys = {
                role: ApiKeys(workspace.state, workspace.keys).create(role, name="soak", created_at=datetime.now(UTC))
                for role in (Role.INGEST,)
            }
        port = free_port()
        running = Running(path, Path(folder), port)
        try:
            wait_for(f"http://127.0.0.1:{port}", running)
            samples, counts = drive(running, keys, f"http://127.0.0.1:{port}", chosen)
            ended = running.ended()
            n_records = settled(path, counts, chosen, running)
        finally:
            running.stop()
        logs = {name: (Path(folder) / f"{name}.log").read_text()[-2_000:] for name in ended}
    verdicts = [judge(name, samples) for name in running.processes]
    tell(verdicts, counts, chosen, n_records)
    for name, log in logs.items():
        print(f"\n{name} ended early:\n{log}")
    if chosen.output is not None:
        chosen.output.mkdir(parents=True, exist_ok=True)
        told = {"minutes": chosen.minutes, "seed": chosen.seed, "counts": counts, "n_records": n_records,
                "verdicts": [asdict(one) for one in verdicts], "samples": [asdict(one) for one in samples]}  # fmt: skip
        (chosen.output / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
        (chosen.output / "soak.svg").write_text(curves(samples, list(running.processes)))
    is_whole = n_records == counts["records"]
    return 0 if not ended and is_whole and all(one.is_flat for one in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())

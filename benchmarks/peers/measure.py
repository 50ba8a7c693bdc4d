"""Time and memory of one process.

NOTE: nothing heavy is imported here or by `run.py` before everything is measured, because the peak that the kernel
reports for a child starts at the size of the process that started it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments import last_line


@dataclass(frozen=True, slots=True)
class Measured:
    """One process: wall and CPU seconds, peak resident memory in MB, and why it failed ("" if it did not).

    CPU seconds and memory include the children that it waited for; memory is that of the largest.
    """

    wall: float
    cpu: float
    peak_mb: float
    failure: str = ""

    def __add__(self, other: "Measured") -> "Measured":
        """Both, one after the other."""
        return Measured(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.peak_mb, other.peak_mb),
            self.failure or other.failure,
        )


def measure(command: Sequence[str], *, environ: Mapping[str, str], limit: float, log: Path) -> Measured:
    """Run a command to its end, or for `limit` seconds; what it prints goes to `log`."""
    with log.open("wb") as stream:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, env=dict(environ), stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        status, usage = 0, None
        while usage is None:
            done, status, found = os.wait4(child.pid, os.WNOHANG)
            if done:
                usage = found
            elif time.perf_counter() - began > limit:
                os.killpg(child.pid, signal.SIGKILL)
                _, status, usage = os.wait4(child.pid, 0)
            else:
                time.sleep(0.02)
        wall = time.perf_counter() - began
    child.returncode = code = os.waitstatus_to_exitcode(status)
    failure = ""
    if code:
        failure = f"not done after {limit:.0f} s" if wall > limit else last_line(log.read_text(errors="replace"))
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, failure)

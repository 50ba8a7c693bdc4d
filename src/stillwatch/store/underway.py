"""What a run under way has done so far: a small file in the workspace, for whoever looks on from another process."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec

FILE: Final = "underway.json"


class Tell(Protocol):
    """Hears how far a step has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` pieces of `step` are done."""
        ...


class Underway(msgspec.Struct, frozen=True):
    """How far a run has come: `n_done` of `n_total` in its step. `began_at` tells runs apart."""

    began_at: datetime
    step: str
    n_done: int
    n_total: int


@contextlib.contextmanager
def under_way(workspace: Path, began_at: datetime, tell: Tell) -> Iterator[Tell]:
    """A progress function that also writes the file, and the file's removal; `tell` hears everything first.

    A process that is killed leaves the file; the next run writes over it.
    """
    path = workspace / FILE

    def told(step: str, done: int, total: int) -> None:
        tell(step, done, total)
        draft = path.with_suffix(".tmp")
        draft.write_bytes(msgspec.json.encode(Underway(began_at, step, done, total)))
        draft.replace(path)

    try:
        yield told
    finally:
        path.unlink(missing_ok=True)


def read_underway(workspace: Path) -> Underway | None:
    """How far the run under way has come; None where there is none."""
    try:
        return msgspec.json.decode((workspace / FILE).read_bytes(), type=Underway)
    except (FileNotFoundError, msgspec.DecodeError):
        return None

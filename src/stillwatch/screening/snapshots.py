"""Dated snapshots of lists as files, whole each time: what a list no longer holds is gone, and a diff says so."""

import gzip
import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from stillwatch.errors import ListError
from stillwatch.screening.listed import LIST_ID, Entry

_SUFFIX: Final = ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed between two snapshots of a list, each ascending by id. `changed` holds the later state."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Entry, ...]


def diff(before: list[Entry], after: list[Entry]) -> Diff:
    """What changed from `before` to `after`."""
    old = {entry.entry_id: entry for entry in before}
    new = {entry.entry_id: entry for entry in after}
    return Diff(
        tuple(new[key] for key in sorted(new.keys() - old.keys())),
        tuple(old[key] for key in sorted(old.keys() - new.keys())),
        tuple(new[key] for key in sorted(new.keys() & old.keys()) if new[key] != old[key]),
    )


class Snapshots:
    """The snapshots in a folder: `LIST/DATE.jsonl.gz`, one entry on each line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, list_id: str, day: date, entries: list[Entry]) -> Diff:
        """Keep a snapshot of a list as of `day`; returns what changed since the one before.

        Raises:
            ListError: there is another snapshot of that day, or a later one.
        """
        days = self.days(list_id)
        if days and day < days[-1]:
            raise ListError(f"list {list_id} has a snapshot of {days[-1]} already, which is later than {day}")
        before = self.read(list_id, days[-1]) if days else []
        if days and days[-1] == day and before != entries:
            raise ListError(f"list {list_id} has another snapshot of {day}; give the day of the file with --day")
        if not days or days[-1] != day:
            self._write(self._path(list_id, day), entries)
        return diff(before, entries)

    def read(self, list_id: str, day: date | None = None) -> list[Entry]:
        """The entries of one snapshot, ascending by id; None is the latest.

        Raises:
            ListError: there is none of that day, or the file is damaged.
        """
        days = self.days(list_id)
        if not days or (day is not None and day not in days):
            raise ListError(f"there is no snapshot of list {list_id} {f'of {day}' if day else ''}".rstrip())
        path = self._path(list_id, day or days[-1])
        try:
            with gzip.open(path) as stream:
                return [msgspec.json.decode(line, type=Entry) for line in stream]
        except (OSError, EOFError, msgspec.DecodeError) as error:
            raise ListError(f"snapshot {path} cannot be read; restore it or add the list again") from error

    def days(self, list_id: str) -> list[date]:
        """The days of a list's snapshots, earliest first.

        Raises:
            ListError: that is no name of a list.
        """
        if not re.fullmatch(LIST_ID, list_id):
            raise ListError(f"list name {list_id!r} is not lower case letters, digits and hyphens")
        names = [path.name.removesuffix(_SUFFIX) for path in (self._folder / list_id).glob(f"*{_SUFFIX}")]
        return sorted(date.fromisoformat(name) for name in names)

    def lists(self) -> list[str]:
        """Names of all lists that have a snapshot, ascending."""
        return sorted(path.name for path in self._folder.glob("*") if re.fullmatch(LIST_ID, path.name))

    def latest(self) -> dict[str, date]:
        """Each list with the day of its latest snapshot."""
        return {list_id: self.days(list_id)[-1] for list_id in self.lists() if self.days(list_id)}

    def _path(self, list_id: str, day: date) -> Path:
        return self._folder / list_id / f"{day}{_SUFFIX}"

    def _write(self, path: Path, entries: list[Entry]) -> None:
        body = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                stream.write(gzip.compress(body, mtime=0))
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
        except OSError as error:
            raise ListError(f"snapshot {path} cannot be written: {error.strerror}") from error

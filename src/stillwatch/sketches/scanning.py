"""A batch of texts as words: the Python side of the scanner."""

from dataclasses import dataclass

import numpy as np

from stillwatch.sketches.alphabet import alphabet
from stillwatch.sketches.kinds import Bytes, Hashes, Ints
from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanner import scan_rows


@dataclass(frozen=True, slots=True)
class Words:
    """Words of texts laid end to end: text `row` has those from `ends[row - 1]` (0 for the first) to `ends[row]`."""

    words: Hashes
    kinds: Bytes
    ends: Ints
    marks: Ints  # (n_rows, 3): characters, code fences, code punctuation


@dataclass(frozen=True, slots=True)
class Buffers:
    """Room for the words of a run of rows, used again for the next: fresh pages cost as much as the scan itself."""

    words: Hashes
    kinds: Bytes
    kept: Hashes
    materials: Hashes

    @classmethod
    def for_rows(cls, *parts: TextRows) -> "Buffers":
        """Buffers large enough for each of the parts alone."""
        # A word takes at least two bytes with what ends it; the last word of a row needs no end.
        room = max((int((part.stops - part.starts).sum()) // 2 + part.starts.size for part in parts), default=0)
        words, kept, materials = (np.empty(room, np.uint64) for _ in range(3))
        return cls(words, np.empty(room, np.uint8), kept, materials)


def scanned(rows: TextRows, buffers: Buffers | None = None) -> Words:
    """The words of all rows; a null or empty row has none. They lie in the buffers until these are used again."""
    n_rows = rows.starts.size
    room = buffers or Buffers.for_rows(rows)
    ends = np.zeros(n_rows, dtype=np.int64)
    marks = np.zeros((n_rows, 3), dtype=np.int64)
    scan_rows(rows.content, rows.starts, rows.stops, alphabet(), room.words, room.kinds, ends, marks)
    return Words(room.words, room.kinds, ends, marks)

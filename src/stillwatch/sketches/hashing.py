"""The published 64-bit text hash: equal for equal text on every machine.

hash(text) = fmix64(FNV-1a-64(UTF-8 of "stillwatch/text/1", one NUL byte, UTF-8 of text)), read as a signed integer.

References:
    Fowler, Noll, Vo: FNV-1a, 64 bits (draft-eastlake-fnv).
    Appleby (2011): MurmurHash3, finaliser fmix64.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.sketches.compiled import compiled
from stillwatch.sketches.rows import TextRows

TEXT_DOMAIN = "stillwatch/text/1"

U = np.uint64

FNV_OFFSET = 0xCBF29CE484222325  # FNV-1a 64-bit offset basis
FNV_PRIME = 0x100000001B3  # FNV 64-bit prime
MIX_1 = 0xFF51AFD7ED558CCD  # fmix64, first multiplier
MIX_2 = 0xC4CEB9FE1A85EC53  # fmix64, second multiplier
MASK_64 = 0xFFFFFFFFFFFFFFFF


def _fnv1a(content: bytes, state: int = FNV_OFFSET) -> int:
    """FNV-1a-64 state after the bytes, unsigned."""
    for byte in content:
        state = ((state ^ byte) * FNV_PRIME) & MASK_64
    return state


DOMAIN_STATE = _fnv1a(TEXT_DOMAIN.encode() + b"\0")


def fmix64(state: int) -> int:
    """Final mix of MurmurHash3 over an unsigned 64-bit integer."""
    state = ((state ^ (state >> 33)) * MIX_1) & MASK_64
    state = ((state ^ (state >> 33)) * MIX_2) & MASK_64
    return state ^ (state >> 33)


def hash_text(text: str) -> int:
    """Signed 64-bit hash of one text under the published domain."""
    unsigned = fmix64(_fnv1a(text.encode(), DOMAIN_STATE))
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


@compiled
def mix(state: np.uint64) -> np.uint64:
    """`fmix64`, compiled."""
    state = (state ^ (state >> U(33))) * U(MIX_1)
    state = (state ^ (state >> U(33))) * U(MIX_2)
    return state ^ (state >> U(33))


@compiled
def _hash_rows(
    content: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    stops: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
) -> None:
    """Fill `hashes` with the text hash of each slice of the bytes."""
    for row in range(starts.size):
        state = U(DOMAIN_STATE)
        for position in range(starts[row], stops[row]):
            state = (state ^ U(content[position])) * U(FNV_PRIME)
        hashes[row] = mix(state)


def hash_texts(texts: pa.Array) -> pa.Int64Array:
    """Signed 64-bit hash of each text under the published domain; null stays null.

    Accepts string or large_string, sliced or whole.
    """
    rows = TextRows.of(texts)
    return pa.array(hash_rows(rows).view(np.int64), mask=rows.is_null)


def hash_rows(rows: TextRows) -> npt.NDArray[np.uint64]:
    """Unsigned text hash of each row; that of a null row says nothing."""
    hashes = np.zeros(rows.starts.size, dtype=np.uint64)
    _hash_rows(rows.content, rows.starts, rows.stops, hashes)
    return hashes


def record_keys(sources: str | pa.Array, source_record_ids: pa.Array) -> pa.Array:
    """The text hash of source, NUL and the record's id in its source."""
    return hash_texts(pc.binary_join_element_wise(sources, source_record_ids, "\0"))

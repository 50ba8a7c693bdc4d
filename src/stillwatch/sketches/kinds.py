"""What a scanned word is, packed in one byte (kind and length), and the types that the compiled functions share."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
Table: TypeAlias = npt.NDArray[np.uint32]
Int: TypeAlias = int | np.int64
Claim: TypeAlias = bool | np.bool_

PLAIN, NUMBER, ID, PATH, QUOTED, CODE = range(6)
KIND_MASK = 7  # low three bits: the kind
LENGTH_SHIFT = 4  # bits 4 to 7: length in characters, at most 15
LONGEST = 15
BIGRAM_LENGTH = 6  # a bigram of unspaced characters weighs as a word of six letters

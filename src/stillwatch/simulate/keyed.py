"""Counter-based randomness: a value is a pure function of its keys, so that order and batching change nothing."""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64, Steele, Lea and Flood (2014)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def mix(*parts: npt.ArrayLike) -> Keys:
    """64-bit keys from integer arrays or scalars, broadcast together; different part orders give different keys."""
    arrays = [np.asarray(part).astype(np.uint64) for part in parts]
    key = np.zeros(np.broadcast_shapes(*(array.shape for array in arrays)), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for array in arrays:
            key ^= array
            key += _GOLDEN
            key ^= key >> np.uint64(30)
            key *= _MIX_1
            key ^= key >> np.uint64(27)
            key *= _MIX_2
            key ^= key >> np.uint64(31)
    return key


def uniform(*parts: npt.ArrayLike) -> Reals:
    """Reals in [0, 1) with 53 bits, one for each key."""
    return np.asarray((mix(*parts) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def choose(n: npt.ArrayLike, *parts: npt.ArrayLike) -> Ints:
    """Integers in [0, n), one for each key; `n` may be an array."""
    return np.asarray((uniform(*parts) * np.asarray(n)).astype(np.int64))


def normal(*parts: npt.ArrayLike) -> Reals:
    """Standard normal values, one for each key (Box and Muller, 1958)."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(*parts, 1)))
    return np.asarray(radius * np.cos(2 * np.pi * uniform(*parts, 2)))


def generator(seed: int, *path: int) -> np.random.Generator:
    """The generator of one named part of a world; `path` separates parts that share a seed."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, *path])))

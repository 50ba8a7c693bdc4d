"""Keys of canaries: derived, committed to before serving, and spread over cells by a keyed function."""

import hashlib
import hmac
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Words = npt.NDArray[np.uint64]

KEY_BYTES: Final = 16
"""A SipHash key has 128 bits."""
_MASTER: Final = b"stillwatch/canary/1"
_COMMITMENT: Final = b"stillwatch/canary-commitment/1"
_START: Final = tuple(np.uint64(word) for word in (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261,
                                                   0x7465646279746573))  # fmt: skip


def master_key(secret: bytes) -> bytes:
    """The master key of all canaries, derived from a secret of the workspace."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_MASTER).derive(secret)


def campaign_key(master: bytes, subject: str, epoch: str) -> bytes:
    """The key of one campaign or cohort in one epoch."""
    return hmac.digest(master, f"{epoch}\0{subject}".encode(), "sha256")[:KEY_BYTES]


def decoy_keys(master: bytes, plan_id: str, n: int) -> list[bytes]:
    """Keys that were never served: what the true key is ranked among."""
    seed = hmac.digest(master, f"decoys\0{plan_id}".encode(), "sha256")
    return [hmac.digest(seed, number.to_bytes(4, "big"), "sha256")[:KEY_BYTES] for number in range(n)]


def commitment(*keys: bytes) -> str:
    """What is published of keys before serving: it fixes them and gives nothing away."""
    return hashlib.sha256(_COMMITMENT + b"".join(keys)).hexdigest()


def keyed_words(keys: list[bytes], left: Words, right: Words) -> Words:
    """SipHash-2-4 of each pair of words under each key, (n_keys, n_pairs).

    Under a random key the words look independent and uniform to whoever lacks it.

    References: J.-P. Aumasson and D. J. Bernstein, 2012, SipHash: a fast short-input PRF.
    """
    halves = np.frombuffer(b"".join(keys), dtype="<u8").astype(np.uint64).reshape(len(keys), 2)
    first, second = halves[:, :1], halves[:, 1:]
    shape = (len(keys), left.size)
    state = [np.broadcast_to(key ^ start, shape).copy() for key, start in zip((first, second) * 2, _START, strict=True)]
    length = np.full(left.size, np.uint64(16 << 56))
    for message in (left, right, length):
        state[3] ^= message
        _rounds(state, 2)
        state[0] ^= message
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    return np.asarray(state[0] ^ state[1] ^ state[2] ^ state[3])


def _rounds(state: list[Words], n: int) -> None:
    for _ in range(n):
        _half_round(state, 0, 1, 13)
        state[0] = _rotated(state[0], 32)
        _half_round(state, 2, 3, 16)
        _half_round(state, 0, 3, 21)
        _half_round(state, 2, 1, 17)
        state[2] = _rotated(state[2], 32)


def _half_round(state: list[Words], a: int, b: int, turn: int) -> None:
    state[a] = state[a] + state[b]
    state[b] = _rotated(state[b], turn) ^ state[a]


def _rotated(words: Words, turn: int) -> Words:
    return np.asarray((words << np.uint64(turn)) | (words >> np.uint64(64 - turn)))

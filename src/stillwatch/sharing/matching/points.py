"""Points of the prime-order group ristretto255: items become points, and points are blinded by a scalar.

References:
    de Valence et al. (2023), RFC 9496: the ristretto255 and decaf448 groups.
    Faz-Hernandez et al. (2023), RFC 9380: hashing to elliptic curves, sections 5.3.1 and 3.1 (domain separation).
    Meadows (1986), A more efficient cryptographic matchmaking protocol for use in the absence of a continuously
    available third party: the double blinding that is compared here.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from stillwatch.errors import EnvironmentFault, GuardRefused

POINT_BYTES: Final = 32
UNIFORM_BYTES: Final = 64
_DOMAIN: Final = b"stillwatch/match/1-ristretto255_XMD:SHA-512_R255MAP_RO_"
_BLOCK_BYTES: Final = 128
_IDENTITY: Final = bytes(POINT_BYTES)

Points = Sequence[bytes]


def _library() -> Any:
    try:
        import rbcl
    except ImportError as error:
        raise EnvironmentFault("private matching needs rbcl; install `stillwatch[share]`") from error
    return rbcl


def scalar(randomness: Callable[[int], bytes]) -> bytes:
    """A uniformly random scalar other than zero."""
    reduced: bytes = _library().crypto_core_ristretto255_scalar_reduce(randomness(UNIFORM_BYTES))
    return reduced if any(reduced) else scalar(randomness)


def hashed(token_kind: str, item: str) -> bytes:
    """The point of an item; the kind is part of it, so that one set cannot be replayed as another kind's."""
    message = token_kind.encode() + b"\0" + item.encode()
    point: bytes = _library().crypto_core_ristretto255_from_hash(_expanded(message))
    return point


def padding(randomness: Callable[[int], bytes]) -> bytes:
    """A random point, of which nobody knows an item."""
    point: bytes = _library().crypto_core_ristretto255_from_hash(randomness(UNIFORM_BYTES))
    return point


def blinded(points: Iterable[bytes], key: bytes) -> list[bytes]:
    """Each point times the scalar; the points are valid, see `split`."""
    multiply = _library().crypto_scalarmult_ristretto255
    return [multiply(key, point) for point in points]


def split(raw: bytes, size: int) -> list[bytes]:
    """The points that stand end to end in a message.

    Raises:
        GuardRefused: there are not `size` of them, one stands twice, is the identity, or is no point in canonical form.
    """
    points = [raw[start : start + POINT_BYTES] for start in range(0, len(raw), POINT_BYTES)]
    if len(raw) != size * POINT_BYTES:
        raise GuardRefused(f"a set of {len(raw):,} bytes has not the {size:,} points that were agreed")
    if len(set(points)) != size or _IDENTITY in points:  # libsodium takes the identity for a valid point
        raise GuardRefused("a set holds a point twice, or the identity")
    is_valid = _library().crypto_core_ristretto255_is_valid_point
    if not all(map(is_valid, points)):
        raise GuardRefused("a set holds what is no point of the group")
    return points


def _expanded(message: bytes) -> bytes:
    """`expand_message_xmd` of RFC 9380 with SHA-512 to 64 bytes, which is one block."""
    domain = _DOMAIN + bytes([len(_DOMAIN)])
    first = hashlib.sha512(bytes(_BLOCK_BYTES) + message + UNIFORM_BYTES.to_bytes(2, "big") + b"\0" + domain).digest()
    return hashlib.sha512(first + b"\1" + domain).digest()

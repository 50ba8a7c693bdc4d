"""Digests that stand for the raw bytes of a rejected record."""

import hashlib


def raw_digest(raw: bytes) -> str:
    """BLAKE2b-128 of raw bytes, hexadecimal."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()

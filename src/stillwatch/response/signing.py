"""The key that decision snapshots are signed with."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stillwatch.store.keys import KEY_BYTES, Keys


def signing_key(keys: Keys) -> Ed25519PrivateKey:
    """The workspace's Ed25519 key, derived from its reference key: rotating that rotates this."""
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"stillwatch/decision-snapshot/1")
    return Ed25519PrivateKey.from_private_bytes(derived.derive(keys.reference_key))


def public_key(keys: Keys) -> bytes:
    """The 32 bytes that gateways check snapshots against; they are no secret."""
    return signing_key(keys).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

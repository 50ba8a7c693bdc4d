"""Signed messages: DSSE envelopes with one Ed25519 signature.

References:
    Secure Systems Lab (2021), DSSE: Dead Simple Signing Envelope, protocol and envelope, version 1.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from stillwatch.errors import GuardRefused
from stillwatch.guard.intake import MAX_BYTES

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: Digest
    sig: bytes


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: bytes
    payloadType: str  # noqa: N815  DSSE names it so
    signatures: Annotated[tuple[_Signature, ...], Meta(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs messages; `public_key` is what receivers check them against, 32 bytes."""

    public_key: bytes
    sign: Callable[[bytes], bytes]


def pre_authentication(kind: str, body: bytes) -> bytes:
    """What DSSE signs: the type of a body and the body itself, each with its length."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def enveloped(payload: bytes, kind: str, signer: Signer) -> bytes:
    """The payload in a signed envelope, as JSON."""
    signature = _Signature(signer.public_key.hex(), signer.sign(pre_authentication(kind, payload)))
    return msgspec.json.encode(_Envelope(payload, kind, (signature,)))


def opened(body: bytes, kind: str, public_key: bytes) -> bytes:
    """The payload of an envelope: (1) it is not too large, (2) is of the type, (3) is signed by the key.

    Raises:
        GuardRefused: one of them fails. The message never quotes it.
    """
    if len(body) > MAX_BYTES:  # (1)
        raise GuardRefused(f"a message of {len(body):,} bytes is larger than the {MAX_BYTES:,} that are read")
    envelope = _read(body)
    if envelope is None:
        raise GuardRefused("a signed message has not the form of one")
    signature = envelope.signatures[0]
    if envelope.payloadType != kind or signature.keyid != public_key.hex():  # (2)
        raise GuardRefused("a signed message is of another type, or names another key")
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature.sig, pre_authentication(kind, envelope.payload))  # (3)
    except InvalidSignature:
        raise GuardRefused("a signed message is not signed by the key that it names") from None
    return envelope.payload


def unverified(body: bytes) -> bytes:
    """The payload of an envelope before anything about it is checked; empty where it is none."""
    envelope = _read(body)
    return b"" if envelope is None else envelope.payload


def _read(body: bytes) -> _Envelope | None:
    try:
        return msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, binascii.Error):
        return None

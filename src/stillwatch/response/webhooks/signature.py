"""Signatures of Standard Webhooks: one for each secret, so that a receiver may hold the old or the new one.

References:
    Standard Webhooks specification 1.0.0: `v1` is HMAC-SHA256 under a `whsec_` secret, `v1a` Ed25519 under a `whsk_`
    key. The published Python package makes `v1` with one secret at a time; it judges ours in the tests.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillwatch.errors import ConfigError

SHARED: Final = "whsec_"
PRIVATE: Final = "whsk_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a shared secret that the specification allows."""
ED25519_BYTES: Final = 32
"""Of a private key; 64 where the public key follows, as NaCl writes it."""


def signatures(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header of a message sent at `timestamp` (seconds since 1970).

    Raises:
        ConfigError: a secret is not one; the message does not hold it.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(_signature(secret, signed) for secret in secrets)


def _signature(secret: str, signed: bytes) -> str:
    if secret.startswith(SHARED):
        key = _key(secret.removeprefix(SHARED))
        if SHORTEST <= len(key) <= LONGEST:
            return f"v1,{_text(hmac.new(key, signed, hashlib.sha256).digest())}"
    elif secret.startswith(PRIVATE):
        key = _key(secret.removeprefix(PRIVATE))
        if len(key) in {ED25519_BYTES, 2 * ED25519_BYTES}:
            private = Ed25519PrivateKey.from_private_bytes(key[:ED25519_BYTES])
            return f"v1a,{_text(private.sign(signed))}"
    raise ConfigError(
        f"a webhook secret is {SHARED} with {SHORTEST} to {LONGEST} bytes in base64, or {PRIVATE} with an Ed25519 key; "
        "`stillwatch webhooks secret` makes one"
    )


def new_secret(random: bytes) -> str:
    """A shared secret of the random bytes given, of which the specification wants 24 to 64."""
    return SHARED + _text(random)


def _key(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

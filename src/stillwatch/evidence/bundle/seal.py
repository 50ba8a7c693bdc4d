"""Manifest, statement and signature: what makes a heap of files a dossier."""

import hashlib
from collections.abc import Mapping
from typing import Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from stillwatch.evidence import standalone
from stillwatch.evidence.bundle.extracts import Extract
from stillwatch.evidence.bundle.ledger_slice import LedgerSlice
from stillwatch.store.keys import KEY_BYTES, Keys
from stillwatch.store.ledger import Json

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:stillwatch:distillation-dossier:v1"
Words = Mapping[str, Json]


def dossier_key(keys: Keys) -> Ed25519PrivateKey:
    """The workspace's key for dossiers, derived from its reference key: rotating that rotates this."""
    return Ed25519PrivateKey.from_private_bytes(_derived(keys, b"stillwatch/dossier-signature/1"))


def salting_key(keys: Keys, dossier_id: str) -> bytes:
    """The secret behind the salts and references of one dossier."""
    return _derived(keys, b"stillwatch/dossier-salts/1:" + dossier_id.encode())


def _derived(keys: Keys, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(keys.reference_key)


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public key as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def content_digest(files: Mapping[str, bytes]) -> str:
    """One digest of all files by name, hexadecimal: what the ledger's entry about a dossier holds."""
    return hashlib.sha256(rfc8785.dumps(_digests(files))).hexdigest()


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}


def sealed_bundle(
    files: Mapping[str, bytes],
    extracts: Mapping[str, Extract],
    ledger: LedgerSlice,
    about: Words,
    key: Ed25519PrivateKey,
) -> bytes:
    """The whole dossier. `files` are all contents, extracts included; `about` goes into the signed statement."""
    every = {**files, **ledger.files()}
    manifest = rfc8785.dumps(
        {
            "about": about,
            "content_digest": content_digest(files),
            "contents": sorted(files),
            "extracts": {
                one.path: {"n_rows": len(one.rows), "root": one.root(), "is_redacted": one.is_redacted}
                for one in extracts.values()
            },
            "files": {name: {"sha256": digest, "size": len(every[name])} for name, digest in _digests(every).items()},
        }
    )
    subjects = {**_digests(every), "manifest.json": hashlib.sha256(manifest).hexdigest()}
    statement = rfc8785.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
            "predicateType": PREDICATE_TYPE,
            "predicate": about,
        }
    )
    envelope = rfc8785.dumps(_signed(statement, key))
    return standalone.packed({**every, "manifest.json": manifest, "statement.dsse.json": envelope})


def _signed(statement: bytes, key: Ed25519PrivateKey) -> dict[str, Json]:
    keyid = hashlib.sha256(public_pem(key)).hexdigest()
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key, SSlibKey.from_crypto(key.public_key(), keyid=keyid)))
    return dict(envelope.to_dict())

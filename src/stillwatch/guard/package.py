"""A package for an authority: cleared objects and a statement of who answers for them, under one signature."""

import hashlib
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import rfc8785

from stillwatch.errors import GuardRefused
from stillwatch.guard.clearance import Cleared
from stillwatch.guard.envelope import Digest, Signer, enveloped, opened
from stillwatch.guard.policy import Policy

PACKAGE_TYPE: Final = "application/vnd.stillwatch.package+json"


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who tells whom what, on which basis, and who answers for it.

    `record_id` is that of the sender's record, whose entry in the ledger has the same digest of the policy;
    `bundle_digest` is SHA-256 of the bundle in canonical form.
    """

    version: Literal[1] = 1
    sender: str
    receiver: str
    approver: str
    at: datetime
    profile: str
    basis: str
    basis_name: str
    policy_digest: Digest
    record_id: str
    n_objects: int
    bundle_digest: Digest


class _Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    statement: Statement
    bundle: dict[str, Any]


def packed(cleared: Cleared, policy: Policy, signer: Signer) -> bytes:
    """The package of cleared objects as a signed message; equal objects and statements give equal bytes."""
    terms, passage, bundle = cleared.terms, cleared.passage, cleared.bundle()
    statement = Statement(
        sender=policy.publisher, receiver=passage.peer, approver=(passage.approver or "").strip(), at=passage.at,
        profile=terms.name, basis=terms.basis.id, basis_name=terms.basis.name, policy_digest=policy.digest,
        record_id=cleared.record_id, n_objects=len(cleared), bundle_digest=hashlib.sha256(bundle).hexdigest(),
    )  # fmt: skip
    payload = b'{"bundle":' + bundle + b',"statement":' + rfc8785.dumps(msgspec.to_builtins(statement)) + b"}"
    return enveloped(payload, PACKAGE_TYPE, signer)


def unpacked(body: bytes, public_key: bytes) -> tuple[Statement, bytes]:
    """Statement and canonical bundle of a package: (1) it is signed, (2) has the form, (3) tells of these objects.

    Raises:
        GuardRefused: one of them fails.
    """
    payload = opened(body, PACKAGE_TYPE, public_key)  # (1)
    try:
        package = msgspec.json.decode(payload, type=_Package)  # (2)
        bundle = rfc8785.dumps(package.bundle)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, rfc8785.CanonicalizationError):
        raise GuardRefused("a signed package has not the form of one") from None
    if hashlib.sha256(bundle).hexdigest() != package.statement.bundle_digest:  # (3)
        raise GuardRefused("the statement of a package is about other objects")
    return package.statement, bundle

"""The file that carries decisions to gateways: built from the state, signed, and checked before it is read.

Bytes: the mark `SWSNAP01`, an Ed25519 signature (64 bytes) of the mark and the body, and the body in MessagePack: the
fields of `Body` by name. A gateway in any language can check and read it without stillwatch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stillwatch.errors import SnapshotError
from stillwatch.model.decision import Action, Decision, Mode
from stillwatch.store.schema import microseconds
from stillwatch.store.storage import LocalStorage

MARK: Final = b"SWSNAP01"
SIGNATURE_BYTES: Final = 64

Hashes = npt.NDArray[np.uint64]


class Template(msgspec.Struct, frozen=True, array_like=True):
    """What many decisions have in common."""

    action: Action
    mode: Mode
    rule: str
    campaign_id: str | None
    reasons: tuple[str, ...]
    models: tuple[str, ...]
    pause_seconds: float | None


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision: its template's place, its id, and when it ends (microseconds since 1970, UTC).

    `subject` is an account id, or the place of a campaign in `Body.campaigns` for decisions about unknown accounts.
    """

    subject: str | int
    template: int
    decision_id: str
    expires_at: int
    min_token_kinds: int = 0
    canary_percent: float | None = None


class Body(msgspec.Struct, frozen=True):
    """Everything that a gateway needs. Times are microseconds since 1970, UTC; `serial` only ever rises.

    `tokens` maps a token kind to little-endian int64 hashes, ascending, and the int32 places of their campaigns.
    `known` and `exempt` are little-endian uint64 hashes of account ids (`account_hashes`), ascending: accounts that
    detection has seen, and accounts that nothing may be done about.
    """

    serial: int
    created_at: int
    expires_at: int
    is_killed: bool
    policy_digest: str
    first_request_cap: int
    campaigns: tuple[str, ...]
    templates: tuple[Template, ...]
    items: tuple[Item, ...]
    tokens: dict[str, tuple[bytes, bytes]]
    known: bytes
    exempt: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What a snapshot is built from.

    `tokens` maps (kind, token) to the campaign that it is exclusive to. `known` accounts were seen by detection;
    `exempt` ones are managed or judged honest. `first_request_cap` bounds the unknown accounts that a gateway may
    touch within an hour.
    """

    decisions: tuple[Decision, ...] = ()
    tokens: Mapping[tuple[str, int], str] = field(default_factory=dict)
    known: Iterable[str] = ()
    exempt: Iterable[str] = ()
    policy_digest: str = ""
    first_request_cap: int = 0
    is_killed: bool = False


def account_hash(account_id: str) -> int:
    """BLAKE2b-64 of an account id, unsigned."""
    return int.from_bytes(blake2b(account_id.encode(), digest_size=8).digest(), "little")


def account_hashes(account_ids: Iterable[str]) -> Hashes:
    """The hashes of account ids, ascending and distinct."""
    return np.unique(np.fromiter((account_hash(account_id) for account_id in account_ids), np.uint64))


def build(contents: Contents, *, created_at: datetime, expires_at: datetime) -> Body:
    """The body of a snapshot. Decisions about exempt accounts are left out."""
    exempt = frozenset(contents.exempt)
    kept = [decision for decision in contents.decisions if decision.account_id not in exempt]
    recognised = {decision.campaign_id for decision in kept if decision.account_id is None}
    campaigns = tuple(sorted(campaign_id for campaign_id in recognised if campaign_id is not None))
    place = {campaign_id: number for number, campaign_id in enumerate(campaigns)}
    templates: dict[Template, int] = {}
    items = tuple(_item(decision, place, templates) for decision in kept)
    stamp = microseconds(created_at)
    return Body(
        serial=stamp,
        created_at=stamp,
        expires_at=microseconds(expires_at),
        is_killed=contents.is_killed,
        policy_digest=contents.policy_digest,
        first_request_cap=contents.first_request_cap,
        campaigns=campaigns,
        templates=tuple(templates),
        items=items,
        tokens=_packed(contents.tokens, place),
        known=account_hashes(contents.known).tobytes(),
        exempt=account_hashes(exempt).tobytes(),
    )


def _item(decision: Decision, place: Mapping[str, int], templates: dict[Template, int]) -> Item:
    template = Template(
        action=decision.action,
        mode=decision.mode,
        rule=decision.rule,
        campaign_id=decision.campaign_id,
        reasons=decision.reasons,
        models=decision.models,
        pause_seconds=decision.pause_seconds,
    )
    number = templates.setdefault(template, len(templates))
    subject = decision.account_id if decision.account_id is not None else place[decision.campaign_id or ""]
    return Item(
        subject, number, decision.decision_id, microseconds(decision.expires_at), decision.min_token_kinds,
        decision.canary_percent,
    )  # fmt: skip


def _packed(tokens: Mapping[tuple[str, int], str], place: Mapping[str, int]) -> dict[str, tuple[bytes, bytes]]:
    by_kind: dict[str, list[tuple[int, int]]] = {}
    for (kind, token), campaign_id in tokens.items():
        if campaign_id in place:
            by_kind.setdefault(kind, []).append((token, place[campaign_id]))
    packed = {}
    for kind, pairs in sorted(by_kind.items()):
        pairs.sort()
        values, places = zip(*pairs, strict=True)
        packed[kind] = (np.asarray(values, "<i8").tobytes(), np.asarray(places, "<i4").tobytes())
    return packed


def sign(body: Body, key: Ed25519PrivateKey) -> bytes:
    """The bytes of a snapshot file."""
    packed = msgspec.msgpack.encode(body)
    return MARK + key.sign(MARK + packed) + packed


def write(path: Path, body: Body, key: Ed25519PrivateKey) -> None:
    """Put a signed snapshot at `path`: readers see the old file or the new one, never a part of it."""
    LocalStorage(path.parent).publish(path.name, sign(body, key))


def read(path: Path, public_key: bytes, *, newer_than: int = -1) -> Body:
    """The checked body of the snapshot file at `path`.

    Raises:
        SnapshotError: it is missing, damaged, not signed by the key, or its serial does not exceed `newer_than`.
    """
    try:
        body = verified(path.read_bytes(), public_key, str(path))
    except OSError as error:
        raise SnapshotError(f"decision snapshot {path} cannot be read ({error.strerror})") from error
    if body.serial <= newer_than:
        raise SnapshotError(
            f"decision snapshot {path} has serial {body.serial}, {newer_than} is in use already: an old file was put "
            "back; publish a new one with `stillwatch respond snapshot`"
        )
    return body


def verified(raw: bytes, public_key: bytes, where: str) -> Body:
    """The body of a snapshot's bytes: (1) it has the mark, (2) the signature holds, (3) the body is readable.

    Raises:
        SnapshotError: one of them fails; nothing of the body is read before the signature holds.
    """
    start = len(MARK) + SIGNATURE_BYTES
    if len(raw) < start or raw[: len(MARK)] != MARK:  # (1)
        raise SnapshotError(f"{where} is no decision snapshot of this release")
    signature, packed = raw[len(MARK) : start], raw[start:]
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, MARK + packed)  # (2)
    except InvalidSignature as error:
        raise SnapshotError(
            f"decision snapshot {where} is not signed by this workspace; fetch it again, or give the gateway the key "
            "that `stillwatch respond snapshot` prints"
        ) from error
    try:
        return msgspec.msgpack.decode(packed, type=Body)  # (3)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"decision snapshot {where} is of another release: {error}") from error

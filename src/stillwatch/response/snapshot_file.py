"""The file that carries decisions to gateways: built from the state, signed, and checked before it is read.

Bytes: the mark `SWSNAP02`, an Ed25519 signature (64 bytes) of the mark followed by the SHA-512 digest of the body, and
the body in MessagePack: the fields of `Body` by name. Gateways in any language can check and read it by themselves.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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

MARK: Final = b"SWSNAP02"
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


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision about unknown accounts: its template's place, its id, and when it ends."""

    template: int
    decision_id: str
    expires_at: int
    min_token_kinds: int
    canary_percent: float | None = None


class Columns(msgspec.Struct, frozen=True, array_like=True):
    """Decisions about accounts, by the hash of the account (`account_hash`), ascending; one place in each column.

    Numbers are little-endian: `hashes` uint64, `templates` uint32, `ends` int64. The account of place i is bytes
    `starts[i]` to `starts[i + 1]` (uint32) of `names`, in UTF-8; it is compared, because two accounts may have one
    hash. Its decision's id is the i-th piece of `ids`, each of `id_bytes` bytes, padded with zero bytes.
    """

    hashes: memoryview
    starts: memoryview
    names: memoryview
    templates: memoryview
    ends: memoryview
    ids: memoryview
    id_bytes: int


class Body(msgspec.Struct, frozen=True):
    """Everything that a gateway needs. Times are microseconds since 1970, UTC; `serial` only ever rises.

    Long columns are bytes that are used as they lie in the file: a new snapshot takes the old one's place without a
    pause in which every decision is made into an object. `steps` has for each of `campaigns` what is decided about
    unknown accounts, those that ask for most token kinds first. `tokens` maps a token kind to little-endian int64
    hashes, ascending, and the int32 places of their campaigns. `known` and `exempt` are little-endian uint64 hashes of
    account ids (`account_hashes`), ascending: accounts that detection has seen, and accounts that nothing may be done
    about.
    """

    serial: int
    created_at: int
    expires_at: int
    is_killed: bool
    policy_digest: str
    first_request_cap: int
    campaigns: tuple[str, ...]
    templates: tuple[Template, ...]
    accounts: Columns
    steps: tuple[tuple[Step, ...], ...]
    tokens: dict[str, tuple[memoryview, memoryview]]
    known: memoryview
    exempt: memoryview


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
    return int.from_bytes(hashlib.blake2b(account_id.encode(), digest_size=8).digest(), "little")


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
    steps = _steps(kept, place, templates)
    columns = _columns(kept, templates)
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
        accounts=columns,
        steps=steps,
        tokens=_packed(contents.tokens, place),
        known=_raw(account_hashes(contents.known)),
        exempt=_raw(account_hashes(exempt)),
    )


def carried_over(body: Body, old: Body) -> Body:
    """The body with the tokens and known accounts that an earlier one measured, of campaigns that are still in it."""
    place = {campaign_id: number for number, campaign_id in enumerate(body.campaigns)}
    moved = np.array([place.get(campaign_id, -1) for campaign_id in old.campaigns], "<i4")
    tokens = {}
    for kind, (values, places) in old.tokens.items():
        now = moved[np.frombuffer(places, "<i4")]
        if (now >= 0).any():
            tokens[kind] = _raw(np.frombuffer(values, "<i8")[now >= 0]), _raw(now[now >= 0])
    return msgspec.structs.replace(body, tokens=tokens, known=old.known)


def _template(decision: Decision, templates: dict[Template, int]) -> int:
    """The place of the decision's template, which is added where it is new."""
    template = Template(
        action=decision.action,
        mode=decision.mode,
        rule=decision.rule,
        campaign_id=decision.campaign_id,
        reasons=decision.reasons,
        models=decision.models,
        pause_seconds=decision.pause_seconds,
    )
    return templates.setdefault(template, len(templates))


def _steps(
    decisions: Iterable[Decision], place: Mapping[str, int], templates: dict[Template, int]
) -> tuple[tuple[Step, ...], ...]:
    steps: list[list[tuple[bool, Step]]] = [[] for _ in place]
    for decision in decisions:
        if decision.account_id is None:
            step = Step(
                _template(decision, templates), decision.decision_id, microseconds(decision.expires_at),
                decision.min_token_kinds, decision.canary_percent,
            )  # fmt: skip
            steps[place[decision.campaign_id or ""]].append((decision.mode.acts, step))
    # Most token kinds first; of equal ones those in shadow first, so that they are told beside what acts.
    ordered = [sorted(some, key=lambda step: (-step[1].min_token_kinds, step[0])) for some in steps]
    return tuple(tuple(step for _, step in some) for some in ordered)


def _columns(decisions: Iterable[Decision], templates: dict[Template, int]) -> Columns:
    named = [(account_hash(d.account_id), d) for d in decisions if d.account_id is not None]
    named.sort(key=lambda pair: pair[0])
    names = [(d.account_id or "").encode() for _, d in named]
    ids = np.array([d.decision_id.encode() for _, d in named], np.bytes_)
    return Columns(
        hashes=_raw(np.array([hashed for hashed, _ in named], "<u8")),
        starts=_raw(np.cumsum([0, *map(len, names)], dtype="<u4")),
        names=memoryview(b"".join(names)),
        templates=_raw(np.array([_template(d, templates) for _, d in named], "<u4")),
        ends=_raw(np.array([microseconds(d.expires_at) for _, d in named], "<i8")),
        ids=_raw(ids),
        id_bytes=max(1, ids.itemsize),
    )


def _raw(column: npt.NDArray[np.generic]) -> memoryview:
    return memoryview(column.tobytes())


def _packed(
    tokens: Mapping[tuple[str, int], str], place: Mapping[str, int]
) -> dict[str, tuple[memoryview, memoryview]]:
    by_kind: dict[str, list[tuple[int, int]]] = {}
    for (kind, token), campaign_id in tokens.items():
        if campaign_id in place:
            by_kind.setdefault(kind, []).append((token, place[campaign_id]))
    packed = {}
    for kind, pairs in sorted(by_kind.items()):
        pairs.sort()
        values, places = zip(*pairs, strict=True)
        packed[kind] = (_raw(np.asarray(values, "<i8")), _raw(np.asarray(places, "<i4")))
    return packed


def sign(body: Body, key: Ed25519PrivateKey) -> bytes:
    """The bytes of a snapshot file."""
    packed = msgspec.msgpack.encode(body)
    return MARK + key.sign(_signed(packed)) + packed


def _signed(packed: bytes | memoryview) -> bytes:
    # NOTE: a digest, because hashlib lets other threads run while it reads ten megabytes, and the signature does not.
    return MARK + hashlib.sha512(packed).digest()


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
    signature, packed = raw[len(MARK) : start], memoryview(raw)[start:]
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed(packed))  # (2)
    except InvalidSignature as error:
        raise SnapshotError(
            f"decision snapshot {where} is not signed by this workspace; fetch it again, or give the gateway the key "
            "that `stillwatch respond snapshot` prints"
        ) from error
    try:
        return msgspec.msgpack.decode(packed, type=Body)  # (3)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"decision snapshot {where} is of another release: {error}") from error

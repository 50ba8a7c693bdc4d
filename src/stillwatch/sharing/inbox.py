"""What peers send: through the inbound guard, and from indicators to tokens that detection and decisions know."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from stillwatch.guard import Cleared, Guard, Offer, Passage, Terms
from stillwatch.model.tables import INDICATORS
from stillwatch.sharing.extensions import INDICATOR
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State, arrow_rows

Tokens = Mapping[str, Callable[[str], int]]
"""How a value of a kind (`address`, `ja4`) becomes the token that this deployment stores for it."""

MEANT: Final = "skeleton"
"""Kind of the own template that a peer's sketch means; no indicator that comes in has it."""

_TABLE: Final = STORED["indicators"]
_RECORDS: Final = STORED["disclosures"]
_COMPARED: Final = re.compile(r"(ipv4-addr|ipv6-addr|autonomous-system|llm-prompt-template):\w+\s*=\s*'?([^'\]\s]+)'?")
_KINDS: Final = {
    "ipv4-addr": "address", "ipv6-addr": "address", "autonomous-system": "asn", "llm-prompt-template": "sketch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message: the objects that passed, and how many were held back."""

    cleared: Cleared
    n_offered: int
    n_indicators: int

    @property
    def n_held_back(self) -> int:
        """Objects that did not pass."""
        return self.n_offered - len(self.cleared)


class Inbox:
    """Takes messages of peers."""

    def __init__(self, state: State, guard: Guard, tokens: Tokens) -> None:
        self._state = state
        self._guard = guard
        self._tokens = tokens

    def receive(
        self, objects: Sequence[Mapping[str, Any]], *, peer: str, channel: Literal["file", "taxii"], at: datetime
    ) -> Received:
        """Objects of a peer through the inbound guard; indicators among them are matched from now on.

        Raises:
            GuardRefused: nothing may come in at all.
        """
        cleared = self._guard.clear(Offer(tuple(objects)), Passage(peer, channel, "inbound", at))
        read = [msgspec.json.decode(body) for body in cleared.objects]
        rows = [
            row for stix in read if stix["type"] == "indicator" for row in self._rows(stix, peer, cleared.record_id)
        ]
        with self._state.writing() as connection:
            for row in rows:
                older = _TABLE.c.modified <= row["modified"]
                same = [_TABLE.c[name] == row[name] for name in INDICATORS.key]
                meant = [_TABLE.c.indicator_id == row["indicator_id"], _TABLE.c.kind == MEANT]
                connection.execute(sa.delete(_TABLE).where(older, sa.or_(sa.and_(*same), sa.and_(*meant))))
            self._state.insert_new(connection, _TABLE, rows)
        return Received(cleared, len(objects), len(rows))

    def matched(
        self,
        tokens: Sequence[tuple[str, int]],
        *,
        peer: str,
        session_id: str,
        terms: Terms,
        since: datetime,
        until: datetime,
        at: datetime,
    ) -> None:
        """Tokens that a peer holds too, as private matching told, are indicators of this peer from now on.

        They hold for what was seen from `since` to `until`; `terms` are those that the comparison stood on.
        """
        rows: list[dict[str, object]] = [
            {
                "indicator_id": _matched_id(session_id), "peer": peer, "kind": kind, "value": f"{token:x}",
                "token_kind": kind, "token": token, "confidence": None, "valid_from": microseconds(since),
                "valid_until": microseconds(until), "revoked": False, "modified": microseconds(at),
                "record_id": session_id,
            }
            for kind, token in tokens
        ]  # fmt: skip
        record: dict[str, object] = {
            "record_id": session_id, "at": microseconds(at), "direction": "in", "peer": peer, "channel": "match",
            "asked_profile": terms.asked, "profile": terms.name, "basis": terms.basis.id, "approver": None,
            "policy_digest": self._guard.policy.digest, "n_offered": len(rows), "n_passed": len(rows),
        }  # fmt: skip
        with self._state.writing() as connection:
            self._state.insert_new(connection, _RECORDS, [record])
            self._state.insert_new(connection, _TABLE, rows)

    def recognised(self, pairs: Sequence[tuple[Mapping[str, Any], int]]) -> None:
        """Keep which own templates are meant by sketches: rows of INDICATORS in force, each with a skeleton's token.

        They hold as long as the sketch's indicator, and go with its next version until they are recognised again.
        """
        times = ("valid_from", "valid_until", "modified")
        rows = [
            {
                **row, **{name: None if row[name] is None else microseconds(row[name]) for name in times},
                "kind": MEANT, "value": f"{token:x}", "token_kind": MEANT, "token": token,
            }
            for row, token in pairs
        ]  # fmt: skip
        with self._state.writing() as connection:
            self._state.insert_new(connection, _TABLE, rows)

    def indicators(self, at: datetime) -> pa.Table:
        """Indicators in force at `at`, in the shape of the floor plan."""
        return in_force(self._state, at)

    def _rows(self, stix: dict[str, Any], peer: str, record_id: str) -> Iterator[dict[str, object]]:
        for kind, value in _values(stix):
            make = self._tokens.get(kind)
            token = None if make is None else make(value)
            yield {
                "indicator_id": stix["id"],
                "peer": peer,
                "kind": kind,
                # NOTE: an address is kept as its pseudonym alone, as everywhere in the workspace.
                "value": f"{token:x}" if kind == "address" and token is not None else value,
                "token_kind": kind if token is not None else None,
                "token": token,
                "confidence": stix.get("confidence"),
                "valid_from": _stamp(stix["valid_from"]),
                "valid_until": _stamp(stix["valid_until"]) if "valid_until" in stix else None,
                "revoked": stix.get("revoked", False),
                "modified": _stamp(stix.get("modified", stix["valid_from"])),
                "record_id": record_id,
            }


def in_force(state: State, at: datetime) -> pa.Table:
    """INDICATORS in force at `at`."""
    return _read(state, *_holds(at))


def _holds(at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    stamp = microseconds(at)
    begun, lasting = _TABLE.c.valid_from <= stamp, _TABLE.c.valid_until > stamp
    return _TABLE.c.revoked.is_(False), begun, sa.or_(_TABLE.c.valid_until.is_(None), lasting)


def named_networks(state: State, at: datetime) -> dict[int, tuple[str, ...]]:
    """Which peers name a network, by its number, in indicators in force at `at`."""
    named = _read(state, _TABLE.c.kind == "asn", *_holds(at)).to_pylist()
    pairs = sorted({(int(row["value"]), row["peer"]) for row in named})
    return {asn: tuple(peer for _, peer in told) for asn, told in groupby(pairs, key=lambda pair: pair[0])}


def received(state: State, before: datetime | None) -> pa.Table:
    """INDICATORS that came in before a moment (None: all), those included that do not hold any more."""
    if before is None:
        return _read(state)
    early = sa.select(_RECORDS.c.record_id).where(_RECORDS.c.at < microseconds(before))
    return _read(state, _TABLE.c.record_id.in_(early))


def _read(state: State, *where: sa.ColumnElement[bool]) -> pa.Table:
    query = sa.select(_TABLE).where(*where).order_by(_TABLE.c.indicator_id, _TABLE.c.kind, _TABLE.c.value)
    with state.reading() as connection:
        return arrow_rows(INDICATORS, connection.execute(query).all())


def _matched_id(session_id: str) -> str:
    """An id in the shape of an indicator's for what a session told."""
    digits = hashlib.sha256(session_id.encode()).hexdigest()
    return f"indicator--{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _values(stix: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and value of everything that an indicator names; patterns that need a sequence or count name nothing."""
    if "FOLLOWEDBY" in stix["pattern"] or " AND " in stix["pattern"] or "REPEATS" in stix["pattern"]:
        return
    found = {(_KINDS[path], value) for path, value in _COMPARED.findall(stix["pattern"])}
    extension = stix.get("extensions", {}).get(INDICATOR, {})
    found |= {("ja4", value) for value in extension.get("ja4", [])}
    yield from sorted(found)


def _stamp(text: str) -> int:
    return microseconds(datetime.fromisoformat(text))

"""What peers send: through the inbound guard, and from indicators to tokens that detection and decisions know."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from stillwatch.guard import Cleared, Guard, Offer, Passage
from stillwatch.model.tables import INDICATORS
from stillwatch.sharing.extensions import INDICATOR
from stillwatch.store.schema import STORED, microseconds
from stillwatch.store.state import State, arrow_rows

Tokens = Mapping[str, Callable[[str], int]]
"""How a value of a kind (`address`, `ja4`) becomes the token that this deployment stores for it."""

_TABLE: Final = STORED["indicators"]
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
                same = [_TABLE.c[name] == row[name] for name in INDICATORS.key]
                connection.execute(sa.delete(_TABLE).where(*same, _TABLE.c.modified <= row["modified"]))
            self._state.insert_new(connection, _TABLE, rows)
        return Received(cleared, len(objects), len(rows))

    def indicators(self, at: datetime) -> pa.Table:
        """Indicators in force at `at`, in the shape of the floor plan."""
        stamp = microseconds(at)
        query = sa.select(_TABLE).where(
            _TABLE.c.revoked.is_(False),
            _TABLE.c.valid_from <= stamp,
            sa.or_(_TABLE.c.valid_until.is_(None), _TABLE.c.valid_until > stamp),
        )
        with self._state.reading() as connection:
            rows = connection.execute(query.order_by(_TABLE.c.indicator_id, _TABLE.c.kind, _TABLE.c.value)).all()
        return arrow_rows(INDICATORS, rows)

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

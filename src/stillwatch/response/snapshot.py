"""The decision at the gateway: one request in, one verdict out, from memory alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stillwatch.model.decision import PEER_INDICATORS, Action, DecisionRequest, Verdict, token_family
from stillwatch.response.rules import canary_position
from stillwatch.response.snapshot_file import Body, Hashes, Template, account_hash, read

ALLOWED: Final = Verdict(Action.ALLOW)
KILLED: Final = Verdict(Action.ALLOW, ("kill switch",))
MIN_SHINGLES: Final = 3
"""Shingles of one campaign that a request must carry to count as a kind: five words in common happen by chance.

In the simulated week of the tests each campaign account's first request carried four or more, honest ones two at most.
"""
OUTDATED: Final = Verdict(Action.ALLOW, ("snapshot expired",))


class _Found(NamedTuple):
    """A decision about an account that stands in the snapshot."""

    template: Template
    decision_id: str
    expires_at: int


class Snapshot:
    """Decisions in memory. Immutable: a new one takes its place whole.

    `clock` returns microseconds since 1970, UTC. A snapshot past its time allows everything but what was suspended;
    the kill switch allows everything.
    """

    def __init__(self, body: Body, *, clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self.serial: Final = body.serial
        self.expires_at: Final = body.expires_at
        self.is_killed: Final = body.is_killed
        self.policy_digest: Final = body.policy_digest
        self.first_request_cap: Final = body.first_request_cap
        self._clock = clock
        self._peers = body.campaigns.index(PEER_INDICATORS) if PEER_INDICATORS in body.campaigns else -1
        self._templates = body.templates
        self._steps = body.steps
        self._hashes: Hashes = _column(body.accounts.hashes, "<u8")
        self._starts = _column(body.accounts.starts, "<u4")
        self._names = body.accounts.names
        self._places = _column(body.accounts.templates, "<u4")
        self._ends = _column(body.accounts.ends, "<i8")
        self._ids = np.frombuffer(body.accounts.ids, f"S{body.accounts.id_bytes}")
        self._tokens = {kind: _Tokens(values, places) for kind, (values, places) in body.tokens.items()}
        self._known: Hashes = _column(body.known, "<u8")
        self._exempt: Hashes = _column(body.exempt, "<u8")

    @classmethod
    def read(
        cls,
        path: Path,
        public_key: bytes,
        *,
        newer_than: int = -1,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> "Snapshot":
        """The snapshot in the signed file at `path`.

        Raises:
            SnapshotError: it is missing, damaged, forged, or its serial does not exceed `newer_than`.
        """
        return cls(read(path, public_key, newer_than=newer_than), clock=clock)

    @property
    def n_accounts(self) -> int:
        """Accounts that a decision stands against."""
        return int(np.count_nonzero(self._hashes[1:] != self._hashes[:-1])) + bool(self._hashes.size)

    @property
    def n_tokens(self) -> int:
        """Tokens by which unknown accounts are recognised."""
        return sum(tokens.values.size for tokens in self._tokens.values())

    def is_exempt(self, account_id: str) -> bool:
        """Whether nothing may be done about the account: managed, or judged honest."""
        return _contains(self._exempt, account_id)

    def suspended(self) -> list[str]:
        """The accounts that are suspended now whatever they ask for, ascending; nobody under the kill switch.

        A suspension from some models only is left out: who reads the list sees the account and not the model.
        """
        stops = [
            template.action is Action.SUSPEND and template.mode.acts and not template.models
            for template in self._templates
        ]
        if self.is_killed or not self._hashes.size:
            return []
        standing = np.array(stops, bool)[self._places] & (self._ends > self._clock())
        names = (self._names[self._starts[at] : self._starts[at + 1]] for at in np.flatnonzero(standing))
        return sorted({str(name, "utf-8") for name in names})

    def decide(self, request: DecisionRequest) -> Verdict:
        """What to do with one request; microseconds, no input or output, never an error."""
        if self.is_killed:
            return KILLED
        now = self._clock()
        account_id = request.account_id
        if account_id is not None and (found := self._decided(account_id)):
            return self._about_account(found, request.model, now)
        if now >= self.expires_at:
            return OUTDATED
        return self._about_unknown(request, now) if request.tokens else ALLOWED

    def _decided(self, account_id: str) -> list[_Found]:
        """What is decided about an account, acting and in shadow; mostly nothing."""
        wanted = np.uint64(account_hash(account_id))
        place = int(self._hashes.searchsorted(wanted))
        found = []
        name = account_id.encode()
        while place < self._hashes.size and self._hashes[place] == wanted:
            if self._names[self._starts[place] : self._starts[place + 1]] == name:
                template = self._templates[self._places[place]]
                found.append(_Found(template, self._ids[place].decode(), int(self._ends[place])))
            place += 1
        return found

    def _about_account(self, found: list[_Found], model: str | None, now: int) -> Verdict:
        acting = shadow = None
        for one in found:
            if not _holds(one.template, one.expires_at, now, model):
                continue
            if one.template.mode.acts:
                acting = _verdict(one.template, one.decision_id)
            else:
                shadow = _verdict(one.template, one.decision_id)
        if now >= self.expires_at:
            return acting if acting is not None and acting.action is Action.SUSPEND else OUTDATED
        if shadow is None:
            return ALLOWED if acting is None else acting
        return shadow if acting is None else replace(acting, shadow_action=shadow.shadow_action)

    def _about_unknown(self, request: DecisionRequest, now: int) -> Verdict:
        found = self._campaign_of(request.tokens)
        if found is None or self._is_settled(request.account_id):
            return ALLOWED
        campaign, n_token_kinds = found
        shadow = None
        for step in self._steps[campaign]:
            template = self._templates[step.template]
            if step.min_token_kinds > n_token_kinds or not _holds(template, step.expires_at, now, request.model):
                continue
            if not template.mode.acts:
                shadow = shadow or template.action
            elif step.canary_percent is None or _is_canary(request.account_id, step.canary_percent):
                verdict = _verdict(template, step.decision_id, is_first_request=True)
                return verdict if shadow is None else replace(verdict, shadow_action=shadow)
            else:
                shadow = shadow or template.action
        return ALLOWED if shadow is None else replace(ALLOWED, is_first_request=True, shadow_action=shadow)

    def _campaign_of(self, tokens: Mapping[str, Sequence[int]]) -> tuple[int, int] | None:
        """The campaign with the most independent kinds of exclusive tokens in the request, and their number.

        What peers name counts only where no own campaign is recognised.
        """
        found: dict[int, set[str]] = {}
        for kind, values in tokens.items():
            table = self._tokens.get(kind)
            hits = table.campaigns(values) if table is not None else ()
            enough = MIN_SHINGLES if kind == "shingle" else 1
            for campaign in hits if len(hits) >= enough else ():
                if enough == 1 or hits.count(campaign) >= enough:
                    found.setdefault(campaign, set()).add(token_family(kind))
        if not found:
            return None
        best = min(found, key=lambda campaign: (campaign == self._peers, -len(found[campaign]), campaign))
        return best, len(found[best])

    def _is_settled(self, account_id: str | None) -> bool:
        """Whether detection judges the account (and found nothing), or nothing may be done about it."""
        return account_id is not None and (_contains(self._known, account_id) or _contains(self._exempt, account_id))


def _contains(hashes: Hashes, account_id: str) -> bool:
    wanted = np.uint64(account_hash(account_id))
    place = int(hashes.searchsorted(wanted))
    return place < hashes.size and bool(hashes[place] == wanted)


def _is_canary(account_id: str | None, percent: float) -> bool:
    return account_id is not None and canary_position(account_id) < percent


class _Tokens:
    """Exclusive tokens of one kind, ascending, and the places of their campaigns."""

    def __init__(self, values: memoryview, places: memoryview) -> None:
        self.values: Final = _column(values, "<i8")
        self._places = _column(places, "<i4")

    def campaigns(self, sent: Sequence[int]) -> list[int]:
        """The campaign of each token that was sent and is exclusive to one."""
        if len(sent) == 1:  # most kinds have one token, and arrays of one cost several times as much
            place = int(self.values.searchsorted(sent[0]))
            is_found = place < self.values.size and self.values[place] == sent[0]
            return [int(self._places[place])] if is_found else []
        wanted = np.array(sent, np.int64)
        at = np.minimum(self.values.searchsorted(wanted), self.values.size - 1)
        found: list[int] = self._places[at[self.values[at] == wanted]].tolist()
        return found


def _column(raw: memoryview, kind: str) -> npt.NDArray[Any]:
    """A column of the file. Copied, because it lies there at any byte, and numpy would copy it at every look-up."""
    return np.frombuffer(raw, kind).copy()


def _holds(template: Template, expires_at: int, now: int, model: str | None) -> bool:
    """Whether a decision is about this moment and model. A request that names no model is in no scope."""
    return now < expires_at and (not template.models or model in template.models)


def _verdict(template: Template, decision_id: str, *, is_first_request: bool = False) -> Verdict:
    acts = template.mode.acts
    return Verdict(
        action=template.action if acts else Action.ALLOW,
        reasons=(template.rule, *template.reasons),
        campaign_id=template.campaign_id,
        decision_id=decision_id,
        is_first_request=is_first_request,
        retry_after=template.pause_seconds if acts else None,
        shadow_action=None if acts else template.action,
    )

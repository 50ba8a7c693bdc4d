"""The decision at the gateway: one request in, one verdict out, from memory alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from stillwatch.model.decision import Action, DecisionRequest, Verdict, token_family
from stillwatch.response.rules import canary_position
from stillwatch.response.snapshot_file import Body, Hashes, Item, Template, account_hash, read

ALLOWED: Final = Verdict(Action.ALLOW)
KILLED: Final = Verdict(Action.ALLOW, ("kill switch",))
MIN_SHINGLES: Final = 3
"""Shingles of one campaign that a request must carry to count as a kind: five words in common happen by chance.

In the simulated week of the tests each campaign account's first request carried four or more, honest ones two at most.
"""
OUTDATED: Final = Verdict(Action.ALLOW, ("snapshot expired",))


class _Held(NamedTuple):
    """One decision, ready to hand out."""

    verdict: Verdict
    expires_at: int
    models: frozenset[str]
    min_token_kinds: int
    canary_percent: float | None

    def holds(self, now: int, model: str | None) -> bool:
        """Whether the decision is about this moment and model. A request that names no model is in no scope."""
        return now < self.expires_at and (not self.models or model in self.models)


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
        self._acting, self._shadow = _accounts(body)
        self._steps = _steps(body)
        self._tokens = _tokens(body)
        self._known: Hashes = np.frombuffer(body.known, "<u8")
        self._exempt: Hashes = np.frombuffer(body.exempt, "<u8")

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
        return len(self._acting.keys() | self._shadow.keys())

    @property
    def n_tokens(self) -> int:
        """Tokens by which unknown accounts are recognised."""
        return sum(map(len, self._tokens.values()))

    def is_exempt(self, account_id: str) -> bool:
        """Whether nothing may be done about the account: managed, or judged honest."""
        return _contains(self._exempt, account_id)

    def decide(self, request: DecisionRequest) -> Verdict:
        """What to do with one request; microseconds, no input or output, never an error."""
        if self.is_killed:
            return KILLED
        now = self._clock()
        account_id = request.account_id
        if account_id is not None and (account_id in self._acting or account_id in self._shadow):
            return self._about_account(account_id, request.model, now)
        if now >= self.expires_at:
            return OUTDATED
        return self._about_unknown(request, now) if request.tokens else ALLOWED

    def _about_account(self, account_id: str, model: str | None, now: int) -> Verdict:
        acting = self._acting.get(account_id)
        if acting is not None and not acting.holds(now, model):
            acting = None
        if now >= self.expires_at:
            suspended = acting is not None and acting.verdict.action is Action.SUSPEND
            return acting.verdict if acting is not None and suspended else OUTDATED
        shadow = self._shadow.get(account_id)
        if shadow is None or not shadow.holds(now, model):
            return ALLOWED if acting is None else acting.verdict
        if acting is None:
            return shadow.verdict
        return replace(acting.verdict, shadow_action=shadow.verdict.shadow_action)

    def _about_unknown(self, request: DecisionRequest, now: int) -> Verdict:
        found = self._campaign_of(request.tokens)
        if found is None or self._is_settled(request.account_id):
            return ALLOWED
        campaign, n_token_kinds = found
        shadow = None
        for held in self._steps.get(campaign, ()):
            if held.min_token_kinds > n_token_kinds or not held.holds(now, request.model):
                continue
            if held.verdict.action is Action.ALLOW:
                shadow = shadow or held.verdict.shadow_action
            elif held.canary_percent is None or _is_canary(request.account_id, held.canary_percent):
                return held.verdict if shadow is None else replace(held.verdict, shadow_action=shadow)
            else:
                shadow = shadow or held.verdict.action
        return ALLOWED if shadow is None else replace(ALLOWED, is_first_request=True, shadow_action=shadow)

    def _campaign_of(self, tokens: Mapping[str, Sequence[int]]) -> tuple[int, int] | None:
        """The campaign with the most independent kinds of exclusive tokens in the request, and their number."""
        found: dict[int, set[str]] = {}
        for kind, values in tokens.items():
            table = self._tokens.get(kind)
            if table is None:
                continue
            hits = [campaign for value in values if (campaign := table.get(value)) is not None]
            enough = MIN_SHINGLES if kind == "shingle" else 1
            for campaign in hits if len(hits) >= enough else ():
                if enough == 1 or hits.count(campaign) >= enough:
                    found.setdefault(campaign, set()).add(token_family(kind))
        if not found:
            return None
        best = min(found, key=lambda campaign: (-len(found[campaign]), campaign))
        return best, len(found[best])

    def _is_settled(self, account_id: str | None) -> bool:
        """Whether detection judges the account (and found nothing), or nothing may be done about it."""
        return account_id is not None and (_contains(self._known, account_id) or _contains(self._exempt, account_id))


def _contains(hashes: Hashes, account_id: str) -> bool:
    wanted = np.uint64(account_hash(account_id))
    place = int(np.searchsorted(hashes, wanted))
    return place < hashes.size and bool(hashes[place] == wanted)


def _is_canary(account_id: str | None, percent: float) -> bool:
    return account_id is not None and canary_position(account_id) < percent


class _Kind(NamedTuple):
    """What all decisions of one template hand out."""

    acts: bool
    verdict: Verdict
    models: frozenset[str]


def _kind(template: Template, *, is_first_request: bool) -> _Kind:
    acts = template.mode.acts
    verdict = Verdict(
        action=template.action if acts else Action.ALLOW,
        reasons=(template.rule, *template.reasons),
        campaign_id=template.campaign_id,
        is_first_request=is_first_request,
        retry_after=template.pause_seconds if acts else None,
        shadow_action=None if acts else template.action,
    )
    return _Kind(acts, verdict, frozenset(template.models))


def _held(item: Item, kind: _Kind) -> _Held:
    # NOTE: written out, because `dataclasses.replace` takes several times as long and there are 100,000 of them.
    like = kind.verdict
    verdict = Verdict(
        like.action, like.reasons, like.campaign_id, item.decision_id, like.is_first_request, like.retry_after,
        like.shadow_action,
    )  # fmt: skip
    return _Held(verdict, item.expires_at, kind.models, item.min_token_kinds, item.canary_percent)


def _accounts(body: Body) -> tuple[dict[str, _Held], dict[str, _Held]]:
    """What acts on accounts and what is in shadow, by account."""
    kinds = [_kind(template, is_first_request=False) for template in body.templates]
    acting: dict[str, _Held] = {}
    shadow: dict[str, _Held] = {}
    for item in body.items:
        if isinstance(item.subject, str):
            kind = kinds[item.template]
            (acting if kind.acts else shadow)[item.subject] = _held(item, kind)
    return acting, shadow


def _steps(body: Body) -> dict[int, tuple[_Held, ...]]:
    """Decisions about unknown accounts by campaign, those that ask for most token kinds first."""
    kinds = [_kind(template, is_first_request=True) for template in body.templates]
    steps: dict[int, list[_Held]] = {}
    for item in body.items:
        if isinstance(item.subject, int):
            steps.setdefault(item.subject, []).append(_held(item, kinds[item.template]))
    return {campaign: tuple(sorted(held, key=_demand)) for campaign, held in steps.items()}


def _demand(held: _Held) -> tuple[int, bool]:
    """Most token kinds first; of equal ones those in shadow first, so that they are told beside what acts."""
    return -held.min_token_kinds, held.verdict.action is not Action.ALLOW


def _tokens(body: Body) -> dict[str, dict[int, int]]:
    return {
        kind: dict(zip(np.frombuffer(values, "<i8").tolist(), np.frombuffer(places, "<i4").tolist(), strict=True))
        for kind, (values, places) in body.tokens.items()
    }

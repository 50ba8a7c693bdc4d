"""Where a request becomes a decision: tokens are made as ingest makes them, and looked up in the snapshot in memory.

No database, engine or disk is touched. What goes wrong here never stops a customer unless the operator chose so.
"""

import hashlib
import logging
import time
from collections import OrderedDict
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import pyarrow as pa

from stillwatch.api.figures import Figures
from stillwatch.api.questions import Question
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.capability import CAPABILITIES
from stillwatch.model.decision import Action, DecisionRequest, Verdict
from stillwatch.provenance.canary.serving import Serving
from stillwatch.response.snapshot import KILLED, OUTDATED
from stillwatch.sketches import prompt_capability, prompt_tokens, text_tokens

_log = logging.getLogger(__name__)

STOPPING: Final = frozenset({Action.STEP_UP, Action.SUSPEND})
MOST_ALIASES: Final = 200_000
MOST_PACED: Final = 100_000
HOUR_SECONDS: Final = 3600.0


class Bypass(StrEnum):
    """Why no decision was made."""

    NO_SNAPSHOT = "no_snapshot"
    EXPIRED = "snapshot_expired"
    KILL_SWITCH = "kill_switch"
    FIRST_REQUEST_CAP = "first_request_cap"
    """More unknown accounts were recognised within an hour than policy lets be touched."""
    FAULT = "fault"
    STARTING = "starting"
    """The kernel that reads text is still being compiled; the account alone was looked up."""
    TEXT = "text"
    """The text could not be sketched; the account alone was looked up."""
    BODY = "body"
    """The forwarded body could not be read; the account and headers alone were looked up."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=False):
    """The answer of `POST /v1/decision`."""

    action: Action
    allowed: bool
    """Whether this one request may pass; under a rate limit some do."""
    reasons: tuple[str, ...] = ()
    campaign_id: str | None = None
    decision_id: str | None = None
    is_first_request: bool = False
    retry_after: float | None = None
    shadow_action: Action | None = None
    bypass: Bypass | None = None
    canary: str | None = None
    """What to add after the system prompt of this request; null: nothing."""
    canary_plan: str | None = None
    """The sealed plan that decided about the canary, also where this request carries none."""


class Decider(Protocol):
    """A decision snapshot, as far as it is needed here."""

    @property
    def first_request_cap(self) -> int:
        """How many unknown accounts may be touched within an hour."""
        ...

    def decide(self, request: DecisionRequest) -> Verdict:
        """What to do with one request."""
        ...


UNDECIDED: Final = {KILLED.reasons: Bypass.KILL_SWITCH, OUTDATED.reasons: Bypass.EXPIRED}


class _Hourly:
    """The accounts that were touched within the last hour."""

    def __init__(self) -> None:
        self._since: OrderedDict[str, float] = OrderedDict()

    def admits(self, name: str, most: int) -> bool:
        """Whether the account is among the `most` of this hour; it is one of them from now on."""
        now = time.monotonic()
        while self._since and next(iter(self._since.values())) <= now - HOUR_SECONDS:
            self._since.popitem(last=False)
        if name not in self._since and len(self._since) < most:
            self._since[name] = now
        return name in self._since


class Desk:
    """Answers questions from the snapshot in `decider`, which may be replaced at any time."""

    def __init__(
        self, names: Pseudonymiser, figures: Figures, *, fails_open: bool, canaries: Serving | None = None
    ) -> None:
        self.decider: Decider | None = None
        self._canaries = canaries
        self._is_warm = False
        self._names = names
        self._figures = figures
        self._fails_open = fails_open
        self._aliases: OrderedDict[tuple[str, bool], str] = OrderedDict()
        self._paced: OrderedDict[str, float] = OrderedDict()
        self._recognised = _Hourly()

    def answer(self, question: Question, *, gateway: str, bypass: Bypass | None = None) -> Answer:
        """What to do with one request. Never raises: a fault is a bypass, and every bypass is counted.

        `bypass` says what the caller could not read of the request already.
        """
        began = time.perf_counter()
        decider = self.decider
        if decider is None:
            given = self._unanswered(Bypass.NO_SNAPSHOT)
        else:
            try:
                given = self._decided(decider, question, bypass)
            except Exception as error:  # noqa: BLE001  a fault of ours must not stop customers: it is counted
                _log.error("a decision failed: %s", type(error).__name__)
                given = self._unanswered(Bypass.FAULT)
        if given.bypass is not None:
            self._figures.bypasses.labels(given.bypass.value).inc()
        if given.is_first_request:
            self._figures.first_requests.inc()
        self._figures.decisions.labels(given.action.value, gateway).inc()
        self._figures.decision_seconds.observe(time.perf_counter() - began)
        return given

    def warm(self) -> None:
        """Compile the sketch kernel, so that no customer waits for it; text is not looked up before."""
        prompt_tokens("warm")
        prompt_capability("warm")
        text_tokens(["warm"])
        self._is_warm = True

    def _decided(self, decider: Decider, question: Question, bypass: Bypass | None) -> Answer:
        account_id = self._account(question)
        if question.has_text and not self._is_warm:
            question, bypass = question.without_text(), Bypass.STARTING
        try:
            tokens = self._tokens(question)
        except (UnicodeError, ValueError):
            tokens, bypass = {}, Bypass.TEXT
        verdict = decider.decide(DecisionRequest(account_id, tokens, question.model))
        bypass = UNDECIDED.get(verdict.reasons, bypass)
        if verdict.is_first_request and verdict.action is not Action.ALLOW:
            name = account_id or verdict.decision_id or ""
            if not self._recognised.admits(name, decider.first_request_cap):
                return Answer(Action.ALLOW, True, bypass=Bypass.FIRST_REQUEST_CAP)
        allowed, retry_after = self._paces(verdict, account_id)
        given = Answer(
            verdict.action, allowed, verdict.reasons, verdict.campaign_id, verdict.decision_id,
            verdict.is_first_request, retry_after, verdict.shadow_action, bypass,
        )  # fmt: skip
        return self._with_canary(given, question, account_id) if verdict.action is Action.CANARY else given

    def _with_canary(self, given: Answer, question: Question, account_id: str | None) -> Answer:
        """The answer with what the sealed plan says of this request; unchanged where no plan is about its campaign.

        Which requests carry it is drawn by the request's id, or by its text where it has none. A canary is given to
        what has a prompt alone: the plan chooses by what the prompt asks for.
        """
        prompt = question.prompt
        if self._canaries is None or account_id is None or given.campaign_id is None or not prompt:
            return given
        request_id = question.request_id or hashlib.blake2b(prompt.encode(), digest_size=16).hexdigest()
        wanted = CAPABILITIES[prompt_capability(prompt)].value
        found = self._canaries.variant(given.campaign_id, account_id, request_id, wanted)
        if found is None:
            return given
        self._figures.canaries.labels(found.plan_id, "carried" if found.is_carried else "plain").inc()
        return msgspec.structs.replace(given, canary=found.text or None, canary_plan=found.plan_id)

    def _unanswered(self, bypass: Bypass) -> Answer:
        return Answer(Action.ALLOW if self._fails_open else Action.SUSPEND, self._fails_open, bypass=bypass)

    def _paces(self, verdict: Verdict, account_id: str | None) -> tuple[bool, float | None]:
        """Whether the request may pass, and when to come again: under a rate limit one passes in each pause."""
        if verdict.action is not Action.RATE_LIMIT or verdict.retry_after is None:
            return verdict.action not in STOPPING, None
        name = account_id or verdict.decision_id or ""
        now = time.monotonic()
        next_at = self._paced.pop(name, now)
        may_pass = now >= next_at
        self._paced[name] = now + verdict.retry_after if may_pass else next_at
        if len(self._paced) > MOST_PACED:
            self._paced.popitem(last=False)
        return may_pass, verdict.retry_after if may_pass else next_at - now

    def _account(self, question: Question) -> str | None:
        """The account as the lake names it."""
        is_key = not question.account_id
        shown = question.account_id or question.api_key_id
        if not shown:
            return None
        alias = self._aliases.get((shown, is_key))
        if alias is None:
            alias = str(self._names.aliases(pa.array([shown], pa.string()), may_be_key=is_key)[0].as_py())
            self._aliases[shown, is_key] = alias
            if len(self._aliases) > MOST_ALIASES:
                self._aliases.popitem(last=False)
        return alias

    def _tokens(self, question: Question) -> dict[str, tuple[int, ...]]:
        """Token kinds to the hashes that a request carries, by the same functions that ingest uses."""
        tokens: dict[str, tuple[int, ...]] = {}
        if question.prompt:
            found = prompt_tokens(question.prompt)
            tokens["skeleton"], tokens["shingle"] = (found.skeleton,), found.shingles
        whole = {
            "system": question.system_instructions,
            "tools": question.tool_definitions,
            "ja4": question.tls_client_ja4,
        }
        said = {kind: text for kind, text in whole.items() if text}
        if said:
            tokens |= {kind: (value,) for kind, value in zip(said, text_tokens(list(said.values())), strict=True)}
        if question.client_address:
            values = self._names.address(question.client_address)
            named = zip(("address", "prefix"), values, strict=True)
            tokens |= {kind: (value,) for kind, value in named if value is not None}
        return tokens

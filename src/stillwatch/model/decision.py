"""What is done about an account or a campaign, and what a gateway asks and hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What a gateway does with a request, mildest first."""

    ALLOW = "allow"
    OBSERVE = "observe"
    """Serve it and keep the record longer."""
    STEP_UP = "step_up"
    """Ask the customer to verify who they are."""
    RATE_LIMIT = "rate_limit"
    WITHHOLD_REASONING = "withhold_reasoning"
    """Serve it without reasoning traces and logprobs."""
    CANARY = "canary"
    """Serve it with keyed canaries on."""
    SUSPEND = "suspend"

    @property
    def strength(self) -> int:
        """Place in the ladder; 0 is allow."""
        return _LADDER[self]


_LADDER: Final = {action: place for place, action in enumerate(Action)}

REVIEW_ACTIONS: Final = frozenset({Action.ALLOW, Action.OBSERVE, Action.STEP_UP})
"""What may be done to those who are only to be reviewed, or who were recognised by one kind of token alone."""

IRREVERSIBLE: Final = frozenset({Action.SUSPEND})
"""Actions whose harm stays when they are taken back: two people decide them."""


class Mode(StrEnum):
    """How far a rule, or one decision of it, goes."""

    DRY_RUN = "dry_run"
    """Shown in the plan; nothing is recorded."""
    SHADOW = "shadow"
    """Recorded, and told to gateways as what would have been done; requests pass."""
    CANARY = "canary"
    """Acts on a fixed share of accounts; the others are in shadow."""
    ENFORCE = "enforce"

    @property
    def acts(self) -> bool:
        """Whether requests are treated differently."""
        return self in {Mode.CANARY, Mode.ENFORCE}


class Status(StrEnum):
    """What became of a decision."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    """Another decision about the same subject took its place."""
    RENEWED = "renewed"
    """The same decision was made again before it would have expired."""
    RELEASED = "released"
    """It no longer holds: judged honest, managed by a person now, or given up by the policy."""
    APPEALED = "appealed"
    """The appeal of the account was granted."""
    ROLLED_BACK = "rolled_back"
    """The false-positive budget was spent."""
    EXPIRED = "expired"


PEER_INDICATORS: Final = "peer-indicators"
"""Stands for a campaign in decisions about unknown accounts that carry what only an indicator of a peer names."""

TOKEN_FAMILIES: Final[Mapping[str, str]] = {
    "skeleton": "prompt",
    "shingle": "prompt",
    "shingle_bundle": "prompt",
    "linked": "prompt",
    "system": "system",
    "tools": "tools",
    "address": "network",
    "prefix": "network",
    "ja4": "network",
}
"""Token kinds that are not independent of each other; a kind that is not listed is a family of its own.

Two kinds count as two only when they are of two families: one copied prompt gives a skeleton and shingles.
"""


def token_family(kind: str) -> str:
    """The independent family of a token kind."""
    return TOKEN_FAMILIES.get(kind, kind)


@dataclass(frozen=True, slots=True)
class Decision:
    """One action about one subject, as it was decided; later events are kept apart and make up `status`.

    The subject is an account, or, where `account_id` is None, whoever outside of the known accounts sends tokens that
    are exclusive to `campaign_id`, of at least `min_token_kinds` independent kinds.
    """

    decision_id: str
    account_id: str | None
    campaign_id: str | None
    action: Action
    mode: Mode
    rule: str
    reasons: tuple[str, ...]
    decided_at: datetime
    expires_at: datetime
    policy_digest: str
    run_id: str
    calibration_id: str
    approved_by: str
    second_by: str | None = None
    min_token_kinds: int = 0
    models: tuple[str, ...] = ()
    """Request models that the action is limited to; empty is all."""
    pause_seconds: float | None = None
    """Of a rate limit: the time between two requests that are served."""
    canary_percent: float | None = None
    """Of a canary about unknown accounts: the share on which it acts; the others are in shadow."""
    status: Status = Status.ACTIVE

    @property
    def lane(self) -> tuple[str | None, str | None, int, bool]:
        """What only one active decision may hold: a subject, acting or in shadow."""
        campaign_id = self.campaign_id if self.account_id is None else None
        return self.account_id, campaign_id, self.min_token_kinds, self.mode.acts


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What a gateway knows of one request.

    `tokens` maps a token kind (`skeleton`, `system`, `tools`, `shingle`, `address`, `prefix`, `ja4`) to the signed
    64-bit hashes that the request carries, made as ingest makes them.
    """

    account_id: str | None
    tokens: Mapping[str, Sequence[int]] = field(default_factory=dict)
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway does with the request.

    `shadow_action` is what a decision in shadow would have done. `retry_after` is the time in seconds between two
    requests under a rate limit; None otherwise.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    campaign_id: str | None = None
    decision_id: str | None = None
    is_first_request: bool = False
    retry_after: float | None = None
    shadow_action: Action | None = None

"""The response policy: ordered rules from a finding to an action, and the limits that hold for all of them."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from stillwatch.errors import ConfigError
from stillwatch.model.decision import REVIEW_ACTIONS, Action, Mode
from stillwatch.model.tier import Tier

Share = Annotated[float, Meta(ge=0, le=1)]

_DURATION: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_HOURS: Final = {"h": 1, "d": 24}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What no rule can go beyond. Shares are of the customers that the detection run saw."""

    max_share_per_hour: Share = 0.01
    """Share of customers whose treatment may change within any hour; further ones wait for a later plan."""
    two_people_share: Share = 0.005
    """Applying to more than this share at once takes two people."""
    false_positive_budget: Share = 0.02
    """Appeals granted per decision in force; above it everything is rolled back and the kill switch goes on."""
    budget_days: Annotated[int, Meta(ge=1, le=366)] = 30
    """Days over which appeals and decisions are counted; a `kill off` starts anew."""
    snapshot_valid_for: str = "24h"
    """How long gateways may use a snapshot; after that only suspensions hold."""
    unattended: bool = False
    """Whether `stillwatch watch` may apply this policy by itself once people did; never what takes two of them."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. All conditions that are given must hold; a finding that lacks what is asked for does not match."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    action: Action
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1)] = (Tier.ACCUSE,)
    """Tiers of the account's finding, or of the campaign for first requests."""
    first_request: bool = False
    """Whether the rule is about accounts nobody knew, recognised by exclusive tokens, instead of about findings."""
    peer_indicator: bool = False
    """Whether a first request is recognised by what a peer's indicator names, instead of by a campaign's own tokens."""
    campaigns: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    """Capabilities of which the campaign must have one."""
    min_token_kinds: Annotated[int, Meta(ge=1, le=8)] = 1
    """Independent kinds of tokens that tie the account to the campaign."""
    max_q_value: Share | None = None
    models: tuple[str, ...] = ()
    """Request models that the action is limited to."""
    mode: Mode = Mode.DRY_RUN
    canary_percent: Annotated[float, Meta(gt=0, lt=100)] | None = None
    requests_per_minute: Annotated[float, Meta(gt=0)] | None = None
    expires_after: str = "14d"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: Annotated[tuple[Rule, ...], Meta(min_length=1)]
    limits: Limits = msgspec.field(default_factory=Limits)


@dataclass(frozen=True)
class Policy:
    """A policy that passed every check, with the text that it was read from."""

    rules: tuple[Rule, ...]
    limits: Limits
    body: str

    @classmethod
    def read(cls, path: Path) -> "Policy":
        """The policy in the file at `path`.

        Raises:
            ConfigError: the file cannot be read, or breaks a rule of rules; the message names the rule and the remedy.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise ConfigError(
                f"cannot read the response policy {path}: {error.strerror}; "
                "`stillwatch respond policy` prints one to start from"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from error

    @classmethod
    def parse(cls, body: str, where: str) -> "Policy":
        """The policy that the TOML text `body` says; `where` names it in messages.

        Raises:
            ConfigError: as `read`.
        """
        try:
            tree = tomllib.loads(body)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where} is not valid TOML: {error}") from error
        try:
            document = msgspec.convert(tree, _Document)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: {_named(str(error), tree)}") from error
        _check(document, where)
        return cls(document.rules, document.limits, body)

    @cached_property
    def digest(self) -> str:
        """BLAKE2b-128 of the text, hexadecimal."""
        return hashlib.blake2b(self.body.encode(), digest_size=16).hexdigest()

    def rule(self, name: str) -> Rule:
        """The rule of that name."""
        return next(rule for rule in self.rules if rule.name == name)


def duration(text: str) -> timedelta:
    """The span that `36h` or `14d` says.

    Raises:
        ValueError: it says neither.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no span of time such as 36h or 14d")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def _named(message: str, tree: dict[str, object]) -> str:
    """The message with a rule's name in place of its position."""
    match = re.search(r"\$\.rules\[(\d+)\]", message)
    rules = tree.get("rules")
    if match is None or not isinstance(rules, list):
        return f"{message}; `stillwatch respond policy` prints a policy that is valid"
    rule = rules[int(match[1])]
    name = rule.get("name") if isinstance(rule, dict) else None
    said = repr(name) if isinstance(name, str) else f"number {int(match[1]) + 1}"
    return f"rule {said}: {message}; correct this field, or leave it out for its default"


def _check(document: _Document, where: str) -> None:
    """Refuse a policy that says something impossible or forbidden.

    (1) Names are unique. (2) Spans of time are readable. (3) Parameters belong to the rule's action and mode.
    (4) Accounts that are only reviewed get observe or step_up at most. (5) So do accounts recognised by one kind of
    token. (6) A rule that is about unknown accounts cannot name accounts. (7) What a peer names gets no more either.
    """
    seen: set[str] = set()
    for rule in document.rules:
        problem = _problem(rule, seen)  # (1) to (7)
        if problem:
            raise ConfigError(f"{where}: rule {rule.name!r}: {problem}")
        seen.add(rule.name)
    if not _is_span(document.limits.snapshot_valid_for):  # (2)
        raise ConfigError(f"{where}: limits: snapshot_valid_for is no span of time; write it as 36h or 14d")


def _problem(rule: Rule, seen: set[str]) -> str | None:
    stronger = rule.action not in REVIEW_ACTIONS
    checks = {
        "another rule has this name; give each its own": rule.name in seen,
        "expires_after is no span of time; write it as 36h or 14d": not _is_span(rule.expires_after),
        "mode canary needs canary_percent, and no other mode takes it; set both or neither": (
            (rule.mode is Mode.CANARY) != (rule.canary_percent is not None)
        ),
        "action rate_limit needs requests_per_minute, and no other action takes it; set both or neither": (
            (rule.action is Action.RATE_LIMIT) != (rule.requests_per_minute is not None)
        ),
        "tier none is no finding; use accuse or review": Tier.NONE in rule.tiers,
        f"{rule.action} would reach accounts that are only to be reviewed, who get observe or step_up at most; "
        'set tiers = ["accuse"], or a milder action': stronger and Tier.REVIEW in rule.tiers,
        f"{rule.action} would reach accounts recognised by one kind of token, who get observe or step_up at most; "
        "set min_token_kinds = 2, or a milder action": stronger and rule.first_request and rule.min_token_kinds < 2,
        "peer_indicator is about accounts nobody knows, and a peer's word is a reason to look and no more; set "
        'first_request = true, tiers = ["review"] and observe or step_up': (
            rule.peer_indicator and (stronger or not rule.first_request or set(rule.tiers) != {Tier.REVIEW})
        ),
        "first_request is about accounts nobody knows; leave accounts and max_q_value out": (
            rule.first_request and bool(rule.accounts or rule.max_q_value is not None)
        ),
    }
    return next((problem for problem, applies in checks.items() if applies), None)


def _is_span(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None

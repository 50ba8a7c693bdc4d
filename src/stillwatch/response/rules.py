"""Which rules of a policy speak about a case, and which one acts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stillwatch.model.decision import PEER_INDICATORS, Mode
from stillwatch.model.tier import Tier
from stillwatch.response.policy import Policy, Rule

_SHARES: Final = 2.0**64


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule may look at: one account's finding, or one campaign whose tokens an unknown account sends.

    `account_id` None is the unknown account, which carries exactly `n_token_kinds` independent kinds of the
    campaign's exclusive tokens. `score` and `q_value` are None where the finding has none.
    """

    account_id: str | None
    campaign_id: str
    tier: Tier
    n_token_kinds: int
    capabilities: frozenset[str] = frozenset()
    score: float | None = None
    q_value: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The account, or the campaign when the account is unknown."""
        return self.account_id or self.campaign_id


@dataclass(frozen=True, slots=True)
class Choice:
    """What a policy says about one case.

    `acting` is the rule that acts; `shadow` and `dry_run` are the first rules above it that would, were their mode
    enforce. Any of them may be None.
    """

    acting: Rule | None = None
    acting_mode: Mode = Mode.ENFORCE
    shadow: Rule | None = None
    dry_run: Rule | None = None


def choose(policy: Policy, case: Case) -> Choice:
    """The first rule of `policy` that matches and acts on the case, and what stands above it without acting.

    A rule in dry-run or in shadow never takes the place of one that acts, and a canary rule acts on its share of
    accounts only: the others fall through to the rules below it.
    """
    shadow = dry_run = None
    for rule in policy.rules:
        if not matches(rule, case):
            continue
        if rule.mode is Mode.DRY_RUN:
            dry_run = dry_run or rule
        elif rule.mode is Mode.ENFORCE or (rule.mode is Mode.CANARY and _is_canary(rule, case)):
            return Choice(rule, rule.mode, shadow, dry_run)
        else:
            shadow = shadow or rule
    return Choice(shadow=shadow, dry_run=dry_run)


def first_match(policy: Policy, case: Case) -> Rule | None:
    """The first rule that matches the case, whatever its mode."""
    return next((rule for rule in policy.rules if matches(rule, case)), None)


def matches(rule: Rule, case: Case) -> bool:
    """Whether every condition of the rule holds for the case."""
    return (
        rule.first_request is (case.account_id is None)
        and rule.peer_indicator is (case.campaign_id == PEER_INDICATORS)
        and case.tier in rule.tiers
        and case.n_token_kinds >= rule.min_token_kinds
        and _named(case.campaign_id, rule.campaigns)
        and (case.account_id is None or _named(case.account_id, rule.accounts))
        and (not rule.capabilities or not case.capabilities.isdisjoint(rule.capabilities))
        and (rule.max_q_value is None or (case.q_value is not None and case.q_value <= rule.max_q_value))
    )


def canary_position(account_id: str) -> float:
    """Where an account stands in [0, 100): a rule with `canary_percent` p acts on those below p.

    One position serves all rules and policies, so raising a percentage only adds accounts.
    """
    digest = hashlib.blake2b(account_id.encode(), digest_size=8, person=b"canary-position").digest()
    return int.from_bytes(digest, "big") / _SHARES * 100


def _is_canary(rule: Rule, case: Case) -> bool:
    # NOTE: the accounts of a first request are unknown here, so the snapshot decides by the account that asks.
    return case.account_id is None or canary_position(case.account_id) < (rule.canary_percent or 0)


def _named(value: str, names: Iterable[str]) -> bool:
    chosen = tuple(names)
    return not chosen or value in chosen

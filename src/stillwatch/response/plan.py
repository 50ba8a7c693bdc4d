"""What a policy would do now: who would be touched, who is left alone, and why."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec

from stillwatch.errors import UsageError
from stillwatch.model.decision import IRREVERSIBLE, Decision, Mode, Status
from stillwatch.response.policy import Policy, Rule, duration
from stillwatch.response.rules import Case, Choice, choose, first_match
from stillwatch.store.decisions import Batch

SECONDS_PER_MINUTE: Final = 60.0
RENEW_SHARE: Final = 0.5
"""A decision is renewed once this share of its time is over: a watch that fails for hours must not let it lapse."""
CAP_REACHED: Final = "the hour's cap is reached; a later plan takes it up"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one detection run and the people who judged it say.

    `accounts` has one case a flagged account, `campaigns` one a campaign (`account_id` None). `managed` maps accounts
    that no rule may touch by itself to the reason; what is in the honest sets was judged honest by a person.
    """

    run_id: str
    calibration_id: str
    n_customers: int
    accounts: tuple[Case, ...]
    campaigns: tuple[Case, ...] = ()
    managed: Mapping[str, str] = field(default_factory=dict)
    honest_accounts: frozenset[str] = frozenset()
    honest_campaigns: frozenset[str] = frozenset()

    def is_honest(self, account_id: str | None, campaign_id: str | None) -> bool:
        """Whether a person judged the account or its campaign honest."""
        return account_id in self.honest_accounts or campaign_id in self.honest_campaigns


class Outcome(StrEnum):
    """What applying the plan would do about a subject."""

    NEW = "new"
    CHANGED = "changed"
    KEPT = "kept"
    RENEWED = "renewed"
    """The finding stands and the decision would end soon: it is made again, and nobody is treated differently."""
    RELEASED = "released"
    HELD = "held"
    DRY_RUN = "dry_run"


_ENDS: Final = {
    Outcome.CHANGED: Status.SUPERSEDED,
    Outcome.RENEWED: Status.RENEWED,
    Outcome.RELEASED: Status.RELEASED,
}
"""What becomes of the decision that a line ends."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the plan. `decision` is what would be recorded, `ends` the standing decision that it would end."""

    subject_id: str
    outcome: Outcome
    why: str
    case: Case | None = None
    rule: Rule | None = None
    mode: Mode | None = None
    decision: Decision | None = None
    ends: Decision | None = None

    @property
    def touches(self) -> str | None:
        """The account whose treatment changes for the worse; None when no one's does."""
        if self.decision is None or self.outcome is Outcome.RENEWED:
            return None
        return self.decision.account_id if self.decision.mode.acts else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, and under which limits.

    `cap` is how many accounts may be touched within an hour, `n_touched_before` how many of them the last hour used.
    `needs_second` says why two people must agree; empty when one is enough.
    """

    policy: Policy
    facts: Facts
    lines: tuple[Line, ...]
    cap: int
    n_touched_before: int
    needs_second: tuple[str, ...]
    at: datetime

    @property
    def n_touched(self) -> int:
        """Accounts whose treatment would change for the worse."""
        return len({line.touches for line in self.lines} - {None})

    @property
    def has_changes(self) -> bool:
        """Whether applying the plan would record or end anything."""
        return any(line.decision is not None or line.ends is not None for line in self.lines)

    @property
    def summary_digest(self) -> str:
        """BLAKE2b-128 of what would be done about whom: plans that would do the same have the same."""
        said = sorted(
            (line.subject_id, line.outcome.value, line.rule.name if line.rule else "")
            for line in self.lines
            if line.decision is not None or line.ends is not None
        )
        return blake2b(msgspec.json.encode([self.policy.digest, said]), digest_size=16).hexdigest()

    def batch(self, author: str, second: str | None = None) -> Batch:
        """What is recorded when `author` applies the plan, agreed to by `second`.

        Raises:
            UsageError: no author, or two people are needed and there is only one.
        """
        author, second = author.strip(), (second or "").strip() or None
        if not author:
            raise UsageError("a decision needs a name; give it with --by NAME")
        if second is not None and second.casefold() == author.casefold():
            raise UsageError(f"--second must be another person than --by ({author})")
        if self.needs_second and second is None:
            raise UsageError(
                f"two people must agree: {'; '.join(self.needs_second)}; give the other with --second NAME"
            )
        decisions = [line.decision for line in self.lines if line.decision is not None]
        return Batch(
            decisions=tuple(replace(decision, approved_by=author, second_by=second) for decision in decisions),
            ended={line.ends.decision_id: _ENDS[line.outcome] for line in self.lines if line.ends is not None},
            renewed={
                line.ends.decision_id: line.ends.account_id
                for line in self.lines
                if line.outcome is Outcome.RENEWED and line.ends is not None and line.ends.mode.acts
            },
            policy_digest=self.policy.digest,
            policy_body=self.policy.body,
            author=author,
            second=second,
            max_touched=self.cap,
            at=self.at,
        )


def make_plan(
    policy: Policy, facts: Facts, standing: Iterable[Decision], touched: frozenset[str], at: datetime
) -> Plan:
    """What the policy would do about the facts at `at`.

    `standing` are the decisions in force or in shadow, `touched` the accounts touched in the hour before `at`.
    Accounts of verified owners, under contract, or judged honest are never touched; the strongest scores come first
    where the cap does not reach.
    """
    lanes = {decision.lane: decision for decision in standing}
    drafts = [*_account_lines(policy, facts, lanes, at), *_campaign_lines(policy, facts, lanes, at)]
    cap = int(policy.limits.max_share_per_hour * facts.n_customers)
    lines = _within_cap(policy, drafts, cap, touched)
    spoken = {line.ends.decision_id for line in lines if line.ends is not None}
    left = [decision for decision in lanes.values() if decision.decision_id not in spoken]
    lines += _releases(policy, facts, left, lines)
    return Plan(policy, facts, tuple(lines), cap, len(touched), _needs_second(policy, facts, lines), at)


Lanes = Mapping[tuple[str | None, str | None, int, bool], Decision]


def _account_lines(policy: Policy, facts: Facts, lanes: Lanes, at: datetime) -> Iterator[Line]:
    for case in facts.accounts:
        assert case.account_id is not None
        if facts.is_honest(case.account_id, case.campaign_id):
            continue
        managed = facts.managed.get(case.account_id)
        if managed is None:
            yield from _case_lines(policy, facts, case, choose(policy, case), lanes, at)
        elif rule := first_match(policy, case):
            yield Line(case.account_id, Outcome.HELD, f"{managed}: an account manager decides", case, rule, rule.mode)


def _campaign_lines(policy: Policy, facts: Facts, lanes: Lanes, at: datetime) -> Iterator[Line]:
    """Lines about unknown accounts: for each campaign, one a number of token kinds at which another rule takes over."""
    steps = sorted({rule.min_token_kinds for rule in policy.rules if rule.first_request})
    for campaign in facts.campaigns:
        if facts.is_honest(None, campaign.campaign_id):
            continue
        below: Choice = Choice()
        for n_token_kinds in steps:
            case = replace(campaign, n_token_kinds=n_token_kinds)
            choice = choose(policy, case)
            fresh = Choice(
                None if choice.acting is below.acting else choice.acting,
                choice.acting_mode,
                None if choice.shadow is below.shadow else choice.shadow,
                None if choice.dry_run is below.dry_run else choice.dry_run,
            )
            yield from _case_lines(policy, facts, case, fresh, lanes, at)
            below = choice


def _case_lines(policy: Policy, facts: Facts, case: Case, choice: Choice, lanes: Lanes, at: datetime) -> Iterator[Line]:
    for rule, mode in ((choice.acting, choice.acting_mode), (choice.shadow, Mode.SHADOW)):
        if rule is None:
            continue
        decision = _drafted(policy, facts, case, rule, mode, at)
        old = lanes.get(decision.lane)
        if old is not None and _same(old, decision) and _is_late(old, at):
            why = f"ends {old.expires_at:%Y-%m-%d %H:%M}"
            yield Line(case.subject, Outcome.RENEWED, why, case, rule, mode, decision, old)
        elif old is not None and _same(old, decision):
            yield Line(case.subject, Outcome.KEPT, f"decided {old.decided_at:%Y-%m-%d %H:%M}", case, rule, mode)
        elif old is not None:
            yield Line(
                case.subject, Outcome.CHANGED, f"was {old.action} by {old.rule}", case, rule, mode, decision, old
            )
        else:
            yield Line(case.subject, Outcome.NEW, ", ".join(case.reasons), case, rule, mode, decision)
    if choice.dry_run is not None:
        yield Line(case.subject, Outcome.DRY_RUN, "the rule is in dry_run", case, choice.dry_run, Mode.DRY_RUN)


def _drafted(policy: Policy, facts: Facts, case: Case, rule: Rule, mode: Mode, at: datetime) -> Decision:
    named = (policy.digest, facts.run_id, case.account_id, case.campaign_id, rule.name, mode.value, case.n_token_kinds)
    digest = blake2b(msgspec.json.encode([*named, at]), digest_size=10)
    return Decision(
        decision_id=f"d-{digest.hexdigest()}",
        account_id=case.account_id,
        campaign_id=case.campaign_id,
        action=rule.action,
        mode=mode,
        rule=rule.name,
        reasons=(f"tier {case.tier.value}", *case.reasons),
        decided_at=at,
        expires_at=at + duration(rule.expires_after),
        policy_digest=policy.digest,
        run_id=facts.run_id,
        calibration_id=facts.calibration_id,
        approved_by="",
        min_token_kinds=case.n_token_kinds if case.account_id is None else 0,
        models=rule.models,
        pause_seconds=SECONDS_PER_MINUTE / rule.requests_per_minute if rule.requests_per_minute else None,
        canary_percent=rule.canary_percent if case.account_id is None and mode is Mode.CANARY else None,
    )


def _same(old: Decision, new: Decision) -> bool:
    names = ("action", "mode", "rule", "models", "pause_seconds", "canary_percent", "campaign_id")
    return all(getattr(old, name) == getattr(new, name) for name in names)


def _is_late(old: Decision, at: datetime) -> bool:
    """Whether so much of the decision's time is over that it is to be renewed."""
    return at - old.decided_at >= RENEW_SHARE * (old.expires_at - old.decided_at)


def _within_cap(policy: Policy, lines: Iterable[Line], cap: int, touched: frozenset[str]) -> list[Line]:
    """The lines by rule and score, those that touch accounts beyond the cap held back."""
    place = {rule.name: number for number, rule in enumerate(policy.rules)}
    ordered = sorted(lines, key=lambda line: (*_urgency(line, place), line.subject_id))
    used = set(touched)
    kept = []
    for line in ordered:
        account_id = line.touches
        if account_id is not None and account_id not in used and len(used) >= cap:
            kept.append(replace(line, outcome=Outcome.HELD, why=CAP_REACHED, decision=None, ends=None))
            continue
        if account_id is not None:
            used.add(account_id)
        kept.append(line)
    return kept


def _urgency(line: Line, place: Mapping[str, int]) -> tuple[int, float]:
    score = line.case.score if line.case is not None and line.case.score is not None else float("-inf")
    return place[line.rule.name] if line.rule is not None else len(place), -score


def _releases(policy: Policy, facts: Facts, left: Iterable[Decision], lines: Iterable[Line]) -> list[Line]:
    """Lines that end standing decisions which no longer hold: judged honest, managed now, or given up by the policy.

    A decision about an account that this run has no finding about stays until it expires: who stopped sending is not
    cleared by it.
    """
    held = {line.subject_id for line in lines if line.outcome is Outcome.HELD}
    kept = {
        (line.subject_id, line.case.n_token_kinds if line.case and line.case.account_id is None else 0, line.mode.acts)
        for line in lines
        if line.outcome is Outcome.KEPT and line.mode is not None
    }
    modes = {rule.name: rule.mode for rule in policy.rules}
    seen = {case.account_id for case in facts.accounts} | {case.campaign_id for case in facts.campaigns}
    released = []
    for decision in left:
        subject = decision.account_id or decision.campaign_id or ""
        managed = facts.managed.get(subject)
        if facts.is_honest(decision.account_id, decision.campaign_id):
            why = "judged honest"
        elif managed is not None:
            why = f"{managed}: an account manager decides"
        elif (subject, decision.min_token_kinds, decision.mode.acts) in kept or subject in held:
            continue
        elif subject in seen or not _still_recorded(modes.get(decision.rule), decision.mode):
            why = "no rule of this policy says so any more"
        else:
            continue
        released.append(Line(subject, Outcome.RELEASED, why, mode=decision.mode, ends=decision))
    return released


def _still_recorded(mode: Mode | None, decided: Mode) -> bool:
    return mode is not None and (mode.acts if decided.acts else mode is not Mode.DRY_RUN)


def _needs_second(policy: Policy, facts: Facts, lines: Iterable[Line]) -> tuple[str, ...]:
    acting = [line.decision for line in lines if line.decision is not None and line.decision.mode.acts]
    reasons = sorted({f"{decision.action} cannot be undone" for decision in acting if decision.action in IRREVERSIBLE})
    n_touched = len({line.touches for line in lines} - {None})
    share = policy.limits.two_people_share
    if n_touched > share * facts.n_customers:
        reasons.append(f"{n_touched:,} of {facts.n_customers:,} customers are more than a share of {share:g}")
    return tuple(reasons)

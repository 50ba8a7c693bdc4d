"""Properties that hold for every policy and every set of findings."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.evidence import FAMILIES
from stillwatch.errors import UsageError
from stillwatch.model.decision import (
    IRREVERSIBLE,
    REVIEW_ACTIONS,
    TOKEN_FAMILIES,
    Action,
    Decision,
    DecisionRequest,
    Mode,
    Status,
)
from stillwatch.model.tier import Tier
from stillwatch.response import Case, Contents, Facts, Limits, Outcome, Policy, Rule, Snapshot, build, choose, make_plan
from stillwatch.response.policy import _problem
from stillwatch.response.rules import canary_position, matches
from tests.response.worlds import NOON, Clock, policy

NAMES = [f"a{n}" for n in range(7)]
CAMPAIGNS = ["c-1", "c-2"]
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""Whole policies and findings take milliseconds to draw, and far longer on a busy machine."""
KINDS = ["skeleton", "shingle", "system", "tools", "ja4", "address"]


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    first_request = draw(st.booleans())
    review = draw(st.booleans())
    n_kinds = draw(st.integers(1, 3))
    mild = review or (first_request and n_kinds < 2)
    action = draw(
        st.sampled_from(sorted(REVIEW_ACTIONS - {Action.ALLOW}) if mild else sorted(set(Action) - {Action.ALLOW}))
    )
    mode = draw(st.sampled_from([Mode.ENFORCE, *Mode]))
    return Rule(
        name=f"r{number}",
        action=action,
        tiers=(Tier.ACCUSE, Tier.REVIEW) if review else (Tier.ACCUSE,),
        first_request=first_request,
        campaigns=draw(st.sampled_from([(), (), ("c-1",)])),
        accounts=() if first_request else draw(st.sampled_from([(), (), (), tuple(NAMES[:3])])),
        min_token_kinds=n_kinds,
        max_q_value=None if first_request else draw(st.sampled_from([None, None, 0.5])),
        mode=mode,
        canary_percent=draw(st.floats(1, 99)) if mode is Mode.CANARY else None,
        requests_per_minute=6.0 if action is Action.RATE_LIMIT else None,
        expires_after=draw(st.sampled_from(["1h", "3d"])),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    n_rules = draw(st.integers(1, 4))
    made = tuple(draw(rules(number)) for number in range(n_rules))
    assert not [problem for rule in made if (problem := _problem(rule, set()))]
    shares = st.sampled_from([0.0, 0.1, 0.3, 1.0])
    limits = Limits(max_share_per_hour=draw(shares), two_people_share=draw(shares))
    return Policy(made, limits, repr(made))


def cases(account_id: str) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        account_id=st.just(account_id),
        campaign_id=st.sampled_from(CAMPAIGNS),
        tier=st.sampled_from([Tier.ACCUSE, Tier.REVIEW]),
        n_token_kinds=st.integers(1, 4),
        score=st.sampled_from([None, 0.0, 1.0, 2.0]),
        q_value=st.sampled_from([None, 0.1, 0.9]),
    )


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    flagged = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=3))
    tiers = {name: draw(st.sampled_from([Tier.ACCUSE, Tier.REVIEW])) for name in CAMPAIGNS}
    return Facts(
        run_id="run",
        calibration_id="cal",
        n_customers=draw(st.sampled_from([0, 10, 30])),
        accounts=tuple(draw(cases(name)) for name in flagged),
        campaigns=tuple(Case(None, name, tier, 0) for name, tier in tiers.items()),
        managed=dict.fromkeys(draw(st.lists(st.sampled_from(flagged), max_size=3)), "verified owner"),
        honest_accounts=frozenset(draw(st.lists(st.sampled_from(flagged), max_size=2))),
        honest_campaigns=frozenset(draw(st.lists(st.sampled_from(CAMPAIGNS), max_size=1))),
    )


def applied(policy: Policy, facts: Facts, standing: list[Decision], touched: frozenset[str]) -> list[Decision]:
    """What stands after the plan was applied."""
    batch = make_plan(policy, facts, standing, touched, NOON).batch("ana", "ben")
    return [old for old in standing if old.decision_id not in batch.ended] + list(batch.decisions)


def snapshot(decisions: list[Decision], tokens: dict[tuple[str, int], str] | None = None, **more: object) -> Snapshot:
    contents = replace(Contents(decisions=tuple(decisions), tokens=tokens or {}), **more)
    return Snapshot(build(contents, created_at=NOON, expires_at=NOON + timedelta(hours=24)), clock=Clock(NOON).micros)


@UNHURRIED
@given(policies(), st.data())
def test_the_first_rule_that_matches_and_acts_decides(policy: Policy, data: st.DataObject) -> None:
    case = data.draw(cases("a0"))
    acting = choose(policy, case).acting
    reach = [
        rule
        for rule in policy.rules
        if matches(rule, case)
        and (
            rule.mode is Mode.ENFORCE
            or (rule.mode is Mode.CANARY and canary_position("a0") < (rule.canary_percent or 0))
        )
    ]
    assert acting is (reach[0] if reach else None)


@UNHURRIED
@given(policies(), st.data())
def test_rules_without_effect_do_not_change_who_acts(policy: Policy, data: st.DataObject) -> None:
    case = data.draw(cases("a0"))
    quiet = replace(policy, rules=tuple(rule for rule in policy.rules if rule.mode.acts))
    assert choose(policy, case).acting == choose(quiet, case).acting


@pytest.mark.parametrize("mode", ['"dry_run"', '"shadow"', '"canary"; canary_percent = 1e-9'])
def test_a_rule_that_does_not_act_lets_the_next_one_act(mode: str) -> None:
    first = f'first | action = "suspend"; mode = {mode}'
    chosen = choose(policy(first, 'second | action = "observe"; mode = "enforce"'), Case("a0", "c-1", Tier.ACCUSE, 1))
    assert chosen.acting is not None
    assert chosen.acting.name == "second"
    above = chosen.dry_run if mode == '"dry_run"' else chosen.shadow
    assert above is not None
    assert above.name == "first"


@UNHURRIED
@given(policies(), all_facts(), st.frozensets(st.sampled_from(["x1", "x2", *NAMES])))
def test_the_cap_is_never_exceeded(policy: Policy, facts: Facts, touched: frozenset[str]) -> None:
    plan = make_plan(policy, facts, [], touched, NOON)
    fresh = {line.touches for line in plan.lines} - {None}
    assert plan.cap <= policy.limits.max_share_per_hour * facts.n_customers
    assert not fresh - touched or len(fresh | touched) <= plan.cap


@UNHURRIED
@given(policies(), all_facts())
def test_nothing_is_held_back_while_the_cap_has_room(policy: Policy, facts: Facts) -> None:
    plan = make_plan(policy, facts, [], frozenset(), NOON)
    held = [line for line in plan.lines if line.outcome is Outcome.HELD and line.subject_id not in facts.managed]
    assert not held or plan.n_touched == plan.cap


@UNHURRIED
@given(policies(), all_facts())
def test_managed_honest_and_reviewed_accounts_keep_their_protection(policy: Policy, facts: Facts) -> None:
    tiers = {case.account_id: case.tier for case in facts.accounts}
    for decision in applied(policy, facts, [], frozenset()):
        assert decision.account_id not in {*facts.managed, *facts.honest_accounts}
        assert decision.campaign_id not in facts.honest_campaigns
        if decision.account_id is not None and tiers[decision.account_id] is Tier.REVIEW:
            assert decision.action in REVIEW_ACTIONS
        if decision.account_id is None and decision.min_token_kinds < 2:
            assert decision.action in REVIEW_ACTIONS


@UNHURRIED
@given(policies(), all_facts())
def test_irreversible_and_large_actions_need_two_people(policy: Policy, facts: Facts) -> None:
    plan = make_plan(policy, facts, [], frozenset(), NOON)
    acting = [line.decision for line in plan.lines if line.decision is not None and line.decision.mode.acts]
    needed = any(decision.action in IRREVERSIBLE for decision in acting)
    needed |= plan.n_touched > policy.limits.two_people_share * facts.n_customers
    assert bool(plan.needs_second) is needed


@pytest.mark.parametrize(
    ("action", "mode", "n_accounts", "needed"),
    [("suspend", "enforce", 1, True), ("suspend", "shadow", 1, False), ("observe", "enforce", 6, True),
     ("observe", "enforce", 5, False), ("observe", "shadow", 9, False)],
)  # fmt: skip
def test_suspending_one_or_touching_more_than_the_share_needs_two_people(
    action: str, mode: str, n_accounts: int, needed: bool
) -> None:
    rule = f'one | action = "{action}"; mode = "{mode}"'
    chosen = policy(rule, limits="max_share_per_hour = 1.0; two_people_share = 0.05")
    facts = Facts("run", "cal", 100, tuple(Case(f"a{n}", "c-1", Tier.ACCUSE, 1) for n in range(n_accounts)))
    plan = make_plan(chosen, facts, [], frozenset(), NOON)
    assert bool(plan.needs_second) is needed
    for second in (None, " ANA ") if needed else ():
        with pytest.raises(UsageError, match="--second"):
            plan.batch("ana", second)
    assert plan.batch("ana", "ben" if needed else None).author == "ana"


@UNHURRIED
@given(policies(), all_facts(), policies(), all_facts())
def test_applying_twice_changes_nothing_and_one_decision_stands_in_each_lane(
    first: Policy, before: Facts, second: Policy, after: Facts
) -> None:
    second = replace(second, limits=Limits(max_share_per_hour=1.0))  # what a cap holds back, a later plan takes up
    after = replace(after, n_customers=30)
    standing = applied(second, after, applied(first, before, [], frozenset()), frozenset())
    assert len({decision.lane for decision in standing}) == len(standing)
    touched = frozenset(d.account_id for d in standing if d.account_id and d.mode.acts)
    plan = make_plan(second, after, standing, touched, NOON)
    assert [line for line in plan.lines if line.decision is not None or line.ends is not None] == []


@UNHURRIED
@given(policies(), all_facts(), st.sampled_from(NAMES))
def test_an_appeal_restores_whatever_the_policy_says(policy: Policy, facts: Facts, name: str) -> None:
    cleared = replace(facts, honest_accounts=facts.honest_accounts | {name})
    standing = applied(policy, facts, [], frozenset())
    tokens = {(kind, number): "c-1" for number, kind in enumerate(KINDS)}
    request = DecisionRequest(name, {kind: [number] for number, kind in enumerate(KINDS)})
    assert snapshot(standing, tokens, exempt=[name]).decide(request).action is Action.ALLOW
    batch = make_plan(policy, cleared, standing, frozenset(), NOON).batch("ana", "ben")
    mine = {decision.decision_id for decision in standing if decision.account_id == name}
    assert mine <= set(batch.ended)
    assert {batch.ended[key] for key in mine} <= {Status.RELEASED}
    assert name not in {decision.account_id for decision in batch.decisions}


@UNHURRIED
@given(policies(), all_facts(), st.sampled_from([None, "new", *NAMES]), st.sets(st.sampled_from(KINDS)))
def test_the_kill_switch_stops_everything(policy: Policy, facts: Facts, name: str | None, sent: set[str]) -> None:
    tokens = {(kind, 1): "c-1" for kind in KINDS}
    stopped = snapshot(applied(policy, facts, [], frozenset()), tokens, is_killed=True)
    verdict = stopped.decide(DecisionRequest(name, {kind: [1] for kind in sent}))
    assert (verdict.action, verdict.shadow_action, verdict.is_first_request) == (Action.ALLOW, None, False)


@UNHURRIED
@given(policies(), all_facts())
def test_the_gateway_does_what_was_decided(policy: Policy, facts: Facts) -> None:
    standing = applied(policy, facts, [], frozenset())
    served = snapshot(standing)
    acting = {d.account_id: d.action for d in standing if d.account_id and d.mode.acts}
    shadow = {d.account_id: d.action for d in standing if d.account_id and not d.mode.acts}
    for name in NAMES:
        verdict = served.decide(DecisionRequest(name))
        assert verdict.action is acting.get(name, Action.ALLOW)
        assert verdict.shadow_action is shadow.get(name)


@UNHURRIED
@given(st.floats(0, 100), st.floats(0, 100), st.text(min_size=1))
def test_raising_a_canary_only_adds_accounts(low: float, high: float, name: str) -> None:
    low, high = sorted((low, high))
    assert canary_position(name) == canary_position(name)
    assert 0 <= canary_position(name) < 100
    assert not (canary_position(name) < low and canary_position(name) >= high)


def test_a_canary_touches_its_share_of_accounts() -> None:
    n = 20_000
    hit = sum(canary_position(f"account-{number}") < 5 for number in range(n))
    assert abs(hit / n - 0.05) < 0.006  # four standard errors of a share of 5 % among 20,000


def test_token_kinds_have_the_families_that_campaigns_use() -> None:
    assert {kind: TOKEN_FAMILIES[kind] for kind in FAMILIES} == FAMILIES

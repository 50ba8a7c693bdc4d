"""From stored findings to a signed snapshot and back, on a small lake."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from stillwatch.errors import LedgerError, UsageError
from stillwatch.model.decision import Action, DecisionRequest
from stillwatch.pipeline.response import Responder
from stillwatch.response import Outcome, Snapshot
from stillwatch.store.schema import STORED
from stillwatch.store.workspace import Workspace
from tests.response.worlds import (
    CAMPAIGN,
    COMMON,
    GREET,
    SLOW,
    SUCCESSORS,
    TOKENS,
    VERIFY,
    Clock,
    Found,
    again,
    policy,
    responder,
    store,
    workspace,
)

FOUND = Found(owned=("bad-00",), contracts=("bad-01",), fleet=("own-00",))
PROMPT = {"skeleton": [TOKENS["skeleton"]], "shingle": [TOKENS["shingle"]]}
TWO_KINDS = {"skeleton": [TOKENS["skeleton"]], "system": [TOKENS["system"]]}
EVERYTHING = policy(SLOW, VERIFY, SUCCESSORS, GREET)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Workspace]:
    with workspace(tmp_path / "workspace", FOUND) as made:
        yield made


@pytest.fixture
def watch(opened: Workspace, clock: Clock) -> Responder:
    return responder(opened, clock)


def decided(
    watch: Responder, clock: Clock, account_id: str | None, tokens: dict[str, list[int]] | None = None
) -> Action:
    snapshot = Snapshot.read(watch.snapshot_path, watch.public_key, clock=clock.micros)
    return snapshot.decide(DecisionRequest(account_id, tokens or {})).action


def test_applying_a_policy_reaches_the_gateway(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    assert decided(watch, clock, "bad-05") is Action.RATE_LIMIT
    assert decided(watch, clock, "odd-00") is Action.STEP_UP
    assert decided(watch, clock, "good-00") is Action.ALLOW


def test_owned_contracted_and_fleet_accounts_are_never_touched(watch: Responder, clock: Clock) -> None:
    plan = watch.apply(EVERYTHING, author="ana", second="ben")
    held = {line.subject_id for line in plan.lines if line.outcome is Outcome.HELD}
    assert held == {"bad-00", "bad-01", "own-00"}
    assert {decided(watch, clock, name, TWO_KINDS) for name in held} == {Action.ALLOW}


def test_an_unknown_account_is_recognised_by_tokens_of_the_campaign_alone(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    assert decided(watch, clock, "new", TWO_KINDS) is Action.SUSPEND
    assert decided(watch, clock, "new", PROMPT) is Action.STEP_UP
    assert decided(watch, clock, None, TWO_KINDS) is Action.SUSPEND
    assert decided(watch, clock, "new", {"tools": [COMMON["tools"]]}) is Action.ALLOW


def test_an_account_that_detection_judged_is_not_recognised_by_tokens(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    assert decided(watch, clock, "good-00", TWO_KINDS) is Action.ALLOW


def test_an_appeal_restores_at_once_and_is_recorded_as_honest(
    watch: Responder, opened: Workspace, clock: Clock
) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    done = watch.appeal("bad-05", author="cem", note="a class")
    assert (done.n_ended, done.budget.n_granted) == (1, 1)
    assert decided(watch, clock, "bad-05", TWO_KINDS) is Action.ALLOW
    [said] = opened.state.judgements().to_pylist()
    assert (said["subject_id"], said["verdict"], said["author"]) == ("bad-05", "honest", "cem")
    clock.advance(hours=2)
    watch.apply(EVERYTHING, author="ana", second="ben")
    assert decided(watch, clock, "bad-05") is Action.ALLOW


def test_an_appeal_of_an_account_caught_on_its_first_request_restores_it(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    with pytest.raises(UsageError, match="--unseen"):
        watch.appeal("new", author="cem", note="new customer")
    assert decided(watch, clock, "new", TWO_KINDS) is Action.SUSPEND
    watch.appeal("new", author="cem", note="new customer", unseen=True)
    assert decided(watch, clock, "new", TWO_KINDS) is Action.ALLOW


def test_an_appeal_by_an_address_is_of_the_account_that_ingest_made_of_it(
    watch: Responder, opened: Workspace, clock: Clock
) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    watch.appeal("ana@example.org", author="cem", note="", unseen=True)
    [said] = opened.state.judgements().to_pylist()
    assert said["subject_id"].startswith("acct-")
    assert "@" not in said["subject_id"]


def test_there_is_nothing_to_appeal_against_without_a_decision(watch: Responder) -> None:
    with pytest.raises(UsageError, match="stillwatch judge"):
        watch.appeal("good-00", author="cem", note="")


def test_more_granted_appeals_than_the_budget_roll_everything_back(watch: Responder, clock: Clock) -> None:
    limits = "max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.05"
    watch.apply(policy(SLOW, VERIFY, GREET, limits=limits), author="ana")
    assert not watch.appeal("bad-05", author="cem", note="").is_rolled_back
    assert decided(watch, clock, "bad-06") is Action.RATE_LIMIT
    assert watch.appeal("bad-06", author="cem", note="").is_rolled_back
    assert decided(watch, clock, "bad-07") is Action.ALLOW
    assert decided(watch, clock, "new", TWO_KINDS) is Action.ALLOW
    assert watch.kill_switch().is_on
    with pytest.raises(UsageError, match="kill switch is on"):
        watch.apply(EVERYTHING, author="ana", second="ben")
    assert set(watch.history()["status"].to_pylist()) <= {"rolled_back", "appealed"}


def test_after_a_roll_back_two_people_may_start_anew(watch: Responder, clock: Clock) -> None:
    strict = policy(VERIFY, limits="max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.0")
    watch.apply(strict, author="ana")
    watch.appeal("odd-00", author="cem", note="")
    clock.advance(minutes=1)
    with pytest.raises(UsageError, match="two people"):
        watch.kill(is_on=False, author="ana", note="")
    watch.kill(is_on=False, author="ana", second="ben", note="looked into it")
    watch.apply(strict, author="ana")
    assert decided(watch, clock, "odd-01") is Action.STEP_UP


def test_the_kill_switch_allows_everything_and_its_end_brings_decisions_back(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    clock.advance(minutes=1)
    watch.kill(is_on=True, author="cem", note="support is flooded")
    assert decided(watch, clock, "bad-05") is decided(watch, clock, "new", TWO_KINDS) is Action.ALLOW
    clock.advance(minutes=1)
    watch.kill(is_on=False, author="cem", second="ana", note="")
    assert decided(watch, clock, "bad-05") is Action.RATE_LIMIT


def test_decisions_end_when_their_time_is_over(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    clock.advance(days=15)
    watch.publish()
    assert decided(watch, clock, "bad-05") is Action.ALLOW
    assert set(watch.history()["status"].to_pylist()) == {"expired"}


def test_a_plan_changes_nothing(watch: Responder, opened: Workspace) -> None:
    watch.plan(EVERYTHING)
    assert watch.history().num_rows == 0
    assert opened.ledger.entries() == []
    assert not watch.snapshot_path.exists()


def test_applying_the_same_policy_again_changes_nothing(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    n = watch.history().num_rows
    clock.advance(minutes=5)
    plan = watch.apply(EVERYTHING, author="ana")
    assert {line.outcome for line in plan.lines} == {Outcome.KEPT, Outcome.HELD}
    assert watch.history().num_rows == n


def test_a_milder_policy_takes_the_place_of_the_stronger_one(watch: Responder, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    clock.advance(hours=2)
    watch.apply(policy(VERIFY), author="ana")
    assert decided(watch, clock, "bad-05") is Action.STEP_UP
    assert decided(watch, clock, "new", TWO_KINDS) is Action.ALLOW


def test_judging_a_campaign_honest_releases_all_of_it(watch: Responder, opened: Workspace, clock: Clock) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    opened.journal.record_judgement(
        subject_kind="campaign", subject_id=CAMPAIGN, verdict="honest", author="r", note="", judged_at=clock()
    )
    watch.publish()
    assert decided(watch, clock, "bad-05") is decided(watch, clock, "new", TWO_KINDS) is Action.ALLOW
    plan = watch.apply(EVERYTHING, author="ana")
    assert {line.outcome for line in plan.lines} == {Outcome.RELEASED}
    assert set(watch.history()["status"].to_pylist()) == {"released"}


def test_successors_of_a_campaign_that_the_latest_run_lost_are_still_recognised(
    watch: Responder, opened: Workspace, clock: Clock
) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    clock.advance(hours=1)
    store(opened, again(FOUND, run_id="run-2", as_of=clock(), is_silent=True))
    later = responder(opened, clock)
    later.publish()
    assert decided(later, clock, "new", TWO_KINDS) is Action.SUSPEND


def test_the_ledger_seals_decisions(watch: Responder, opened: Workspace) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    watch.decisions.verify()
    stored = STORED["decisions"]
    with opened.state.writing() as connection:
        connection.execute(sa.update(stored).where(stored.c.account_id == "bad-05").values(action="observe"))
    with pytest.raises(LedgerError, match="not as the ledger sealed"):
        watch.decisions.verify()


def test_the_ledger_names_no_account(watch: Responder, opened: Workspace) -> None:
    watch.apply(EVERYTHING, author="ana", second="ben")
    watch.appeal("bad-05", author="cem", note="bad-05 wrote to us")
    assert "bad-05" not in "".join(entry.body for entry in opened.ledger.entries())


def test_the_back_test_counts_touched_accounts_and_those_judged_honest_since(
    watch: Responder, opened: Workspace, clock: Clock
) -> None:
    opened.journal.record_judgement(
        subject_kind="account", subject_id="bad-05", verdict="honest", author="r", note="", judged_at=clock()
    )
    store(opened, again(FOUND, run_id="run-0", as_of=FOUND.as_of - timedelta(days=1), accused=("bad-05", "bad-06")))
    later = responder(opened, clock)
    past = later.back_test(policy(SLOW, limits="max_share_per_hour = 0.02"), days=7)
    assert [run.run_id for run in past.runs] == ["run-0", "run-1"]
    assert [run.n_touched for run in past.runs] == [2, 20]
    assert (past.n_touched, past.n_later_honest) == (22, 1)
    assert past.runs[1].n_managed == 2
    assert past.peak_share_per_hour == pytest.approx(0.02)


def test_the_back_test_counts_what_was_touched_within_the_hour_before(opened: Workspace, clock: Clock) -> None:
    earlier = again(FOUND, run_id="run-0", as_of=FOUND.as_of - timedelta(minutes=30), accused=("x-00", "x-01", "x-02"))
    store(opened, earlier)
    past = responder(opened, clock).back_test(policy(SLOW, limits="max_share_per_hour = 0.01"), days=7)
    assert [run.n_touched for run in past.runs] == [3, 7]
    assert past.runs[1].share_per_hour == pytest.approx(0.01)


def test_a_decision_is_renewed_while_its_finding_stands(watch: Responder, clock: Clock) -> None:
    watch.apply(policy(SLOW), author="ana")
    clock.advance(days=5)
    assert {line.outcome for line in watch.plan(policy(SLOW)).lines if line.rule} <= {Outcome.KEPT, Outcome.HELD}
    clock.advance(days=4)
    plan = watch.apply(policy(SLOW), author="ana")
    assert {line.outcome for line in plan.lines if line.subject_id == "bad-05"} == {Outcome.RENEWED}
    clock.advance(days=12)  # the first decision would have ended a week ago
    watch.publish()
    assert decided(watch, clock, "bad-05") is Action.RATE_LIMIT
    by_status = watch.history().group_by("status").aggregate([("decision_id", "count")]).to_pylist()
    assert {row["status"]: row["decision_id_count"] for row in by_status} == {"renewed": 22, "active": 22}


def test_renewals_touch_nobody_and_use_up_no_cap(watch: Responder, clock: Clock) -> None:
    wide, narrow = (f"max_share_per_hour = {share}; two_people_share = 1.0" for share in (1.0, 0.01))
    watch.apply(policy(SLOW, limits=wide), author="ana")
    clock.advance(days=8)
    tight = policy(SLOW, VERIFY, limits=narrow)
    plan = watch.apply(tight, author="ana")
    assert plan.n_touched == 2, "reviewed accounts alone are touched anew"
    assert sum(line.outcome is Outcome.RENEWED for line in plan.lines) == 22
    clock.advance(minutes=5)
    assert watch.plan(tight).n_touched_before == 2
    assert watch.budget().n_enforced == 24


def test_a_finding_that_is_gone_is_not_renewed(watch: Responder, opened: Workspace, clock: Clock) -> None:
    watch.apply(policy(SLOW), author="ana")
    store(opened, again(FOUND, run_id="run-2", as_of=clock() + timedelta(days=8), is_silent=True))
    clock.advance(days=9)
    later = responder(opened, clock)
    later.apply(policy(SLOW), author="ana")
    clock.advance(days=6)
    later.publish()
    assert decided(later, clock, "bad-05") is Action.ALLOW


def test_a_renewal_of_a_suspension_still_takes_two_people(watch: Responder, clock: Clock) -> None:
    strict = policy('stop | action = "suspend"; mode = "enforce"; min_token_kinds = 2')
    watch.apply(strict, author="ana", second="ben")
    clock.advance(days=8)
    with pytest.raises(UsageError, match="two people"):
        watch.apply(strict, author="ana")


def test_an_appeal_restores_at_once_without_reading_the_traffic_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        maker = responder(opened, clock)
        maker.apply(policy(SLOW, SUCCESSORS), author="ana", second="ben")
        before = Snapshot.read(maker.snapshot_path, maker.public_key, clock=clock.micros)
        monkeypatch.setattr(Responder, "_recognition", lambda *_: pytest.fail("tokens were measured again"))
        clock.advance(minutes=1)
        maker.appeal("bad-00", author="ana", note="a class")
        after = Snapshot.read(maker.snapshot_path, maker.public_key, clock=clock.micros)
    assert before.decide(DecisionRequest("bad-00")).action is Action.RATE_LIMIT
    assert after.decide(DecisionRequest("bad-00", {"skeleton": [11], "system": [22]})).action is Action.ALLOW
    assert after.decide(DecisionRequest("new", {"skeleton": [11], "system": [22]})).action is Action.SUSPEND
    assert after.decide(DecisionRequest("good-00", {"skeleton": [11], "system": [22]})).action is Action.ALLOW
    assert after.n_tokens == before.n_tokens


def test_what_was_measured_of_a_campaign_that_is_gone_is_not_carried_over(tmp_path: Path) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        maker = responder(opened, clock)
        maker.apply(policy(SUCCESSORS), author="ana", second="ben")
        opened.journal.record_judgement(
            subject_kind="campaign", subject_id=CAMPAIGN, verdict="honest", author="ana", note="", judged_at=clock()
        )
        clock.advance(minutes=1)
        maker.publish(remeasure=False)
        after = Snapshot.read(maker.snapshot_path, maker.public_key, clock=clock.micros)
    assert after.n_tokens == 0

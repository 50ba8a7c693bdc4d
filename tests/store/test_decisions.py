"""Decisions in the state database, on SQLite and, where a server is named, PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from stillwatch.errors import LedgerError, UsageError
from stillwatch.model.decision import Action, Decision, Mode, Status
from stillwatch.model.tables import DECISION_EVENTS, DECISIONS
from stillwatch.store.decisions import Batch, Decisions
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import STORED
from stillwatch.store.state import State
from tests.store.conftest import NOON
from tests.store.test_state import shared, url

__all__ = ["shared", "url"]

ONE = Decision(
    decision_id="d-1", account_id="a1", campaign_id="c-1", action=Action.RATE_LIMIT, mode=Mode.ENFORCE, rule="slow",
    reasons=("tier accuse", "day_homogeneity"), decided_at=NOON, expires_at=NOON + timedelta(days=14),
    policy_digest="p1", run_id="r1", calibration_id="k1", approved_by="ana", models=("large",), pause_seconds=30.0,
)  # fmt: skip
TWO = replace(ONE, decision_id="d-2", account_id="a2", mode=Mode.SHADOW)


@pytest.fixture
def decisions(shared: State) -> Decisions:
    return Decisions(shared, Ledger(shared))


def batch(*made: Decision, ended: dict[str, Status] | None = None, max_touched: int = 9, hours: float = 0) -> Batch:
    return Batch(
        decisions=made, ended=ended or {}, policy_digest="p1", policy_body="rules", author="ana", second=None,
        max_touched=max_touched, at=NOON + timedelta(hours=hours),
    )  # fmt: skip


def test_decisions_come_back_as_they_were_made(decisions: Decisions) -> None:
    decisions.record(batch(ONE, TWO))
    assert decisions.standing(NOON) == [ONE, TWO]
    rows = decisions.history(NOON)
    assert rows.select(DECISIONS.schema.names).schema.equals(DECISIONS.schema)
    assert decisions.events().schema.equals(DECISION_EVENTS.schema)
    assert decisions.last_policy() == "rules"
    decisions.verify()


def test_what_ended_or_expired_stands_no_longer_and_is_kept(decisions: Decisions) -> None:
    decisions.record(batch(ONE, TWO))
    decisions.record(batch(ended={"d-1": Status.SUPERSEDED}, hours=1))
    assert decisions.standing(NOON + timedelta(hours=1)) == [TWO]
    assert decisions.standing(NOON + timedelta(days=14)) == []
    assert decisions.history(NOON + timedelta(days=14))["status"].to_pylist() == ["superseded", "expired"]
    decisions.verify()


def test_more_accounts_than_the_cap_within_an_hour_are_refused_whole(decisions: Decisions) -> None:
    decisions.record(batch(ONE, max_touched=1))
    third = replace(ONE, decision_id="d-3", account_id="a3")
    with pytest.raises(UsageError, match="cap is 1"):
        decisions.record(batch(third, max_touched=1, hours=0.5))
    assert decisions.standing(NOON) == [ONE]
    decisions.record(batch(third, max_touched=1, hours=1.1))
    decisions.verify()


def test_an_appeal_ends_the_account_s_decisions_and_counts_once(decisions: Decisions, shared: State) -> None:
    beside = replace(ONE, decision_id="d-4", mode=Mode.SHADOW)
    decisions.record(batch(ONE, TWO, beside))
    at = NOON + timedelta(minutes=1)
    assert decisions.appeal("a1", author="cem", note="", at=at, valid=decisions.standing(at)) == 2
    assert decisions.standing(at) == [TWO]
    assert shared.judgements()["subject_id"].to_pylist() == ["a1"]
    budget = decisions.budget(NOON)
    assert (budget.n_enforced, budget.n_granted) == (1, 1)


def test_an_appeal_against_a_shadow_costs_no_budget(decisions: Decisions) -> None:
    decisions.record(batch(ONE, TWO))
    decisions.appeal("a2", author="cem", note="", at=NOON, valid=decisions.standing(NOON))
    assert decisions.budget(NOON).n_granted == 0


def test_a_roll_back_ends_what_acts_and_turns_the_kill_switch_on(decisions: Decisions) -> None:
    decisions.record(batch(ONE, TWO))
    at = NOON + timedelta(minutes=1)
    assert decisions.roll_back(decisions.standing(at), note="spent", at=at) == 1
    assert decisions.standing(at) == [TWO]
    assert decisions.kill_switch().is_on
    with pytest.raises(UsageError, match="kill switch is on"):
        decisions.record(batch(ONE, hours=1))


def test_turning_the_kill_switch_off_starts_the_budget_anew(decisions: Decisions) -> None:
    decisions.record(batch(ONE))
    decisions.appeal("a1", author="cem", note="", at=NOON, valid=decisions.standing(NOON))
    later = NOON + timedelta(hours=1)
    decisions.kill(is_on=False, author="ana", second="ben", note="", at=later)
    assert not decisions.kill_switch().is_on
    budget = decisions.budget(NOON)
    assert (budget.n_enforced, budget.n_granted, budget.since) == (0, 0, later)


@pytest.mark.parametrize("tamper", ["delete", "change", "add"])
def test_a_decision_that_was_changed_behind_the_ledger_is_found(
    decisions: Decisions, shared: State, tamper: str
) -> None:
    decisions.record(batch(ONE, TWO))
    stored = STORED["decisions"]
    with shared.writing() as connection:
        row = dict(connection.execute(stored.select().where(stored.c.decision_id == "d-1")).mappings().one())
        changes = {
            "delete": stored.delete().where(stored.c.decision_id == "d-1"),
            "change": stored.update().where(stored.c.decision_id == "d-1").values(approved_by="eve"),
            "add": stored.insert().values({**row, "decision_id": "d-9", "batch_id": "b-9"}),
        }
        connection.execute(changes[tamper])
    with pytest.raises(LedgerError, match="not as the ledger sealed"):
        decisions.verify()


def test_a_database_of_before_gets_the_new_tables_when_it_is_opened(shared: State, url: str) -> None:
    with shared.writing() as connection:
        STORED["decision_events"].drop(connection)
    with State.open(url) as opened:
        assert Decisions(opened, Ledger(opened)).events().num_rows == 0

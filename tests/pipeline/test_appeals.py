"""Who asked to be restored: events of accounts beside decisions and what became of them."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from stillwatch.model.decision import Action, Decision, Mode
from stillwatch.model.tables import DECISION_EVENTS
from stillwatch.pipeline.appeals import appeals

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


def hours(n: float) -> datetime:
    return NOON + timedelta(hours=n)


def decision(account_id: str, at: datetime = NOON) -> Decision:
    return Decision(
        f"d-{account_id}", account_id, "c-1", Action.SUSPEND, Mode.ENFORCE, "stop", (), at, hours(400), "p", "run-1",
        "cal-1", "ana",
    )  # fmt: skip


def granted(account_id: str, at: datetime) -> dict[str, object]:
    return {
        "event_id": f"e-{account_id}", "kind": "appealed", "decision_id": None, "account_id": account_id,
        "counts": True, "author": "ana", "second_by": None, "note": "a class", "happened_at": at,
    }  # fmt: skip


def listed(
    opened: dict[str, datetime], standing: list[Decision], *events: dict[str, object]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = appeals(
        opened, standing, pa.Table.from_pylist(list(events), schema=DECISION_EVENTS.schema)
    ).to_pylist()
    return rows


def test_an_account_that_asked_waits_while_a_decision_stands_against_it() -> None:
    (row,) = listed({"a": hours(2)}, [decision("a"), decision("b")])
    assert (row["status"], row["n_standing"], row["action"]) == ("waiting", 1, "suspend")


def test_an_account_that_asked_though_nothing_stands_against_it_has_nothing_to_wait_for() -> None:
    (row,) = listed({"a": hours(2)}, [decision("b")])
    assert (row["status"], row["action"]) == ("moot", None)


@pytest.mark.parametrize(("asked", "status"), [(1, "granted"), (3, "waiting")])
def test_who_asks_again_after_being_restored_waits_again(asked: float, status: str) -> None:
    (row,) = listed({"a": hours(asked)}, [decision("a", hours(2.5))], granted("a", hours(2)))
    assert (row["status"], row["author"], row["note"]) == (status, "ana", "a class")


def test_an_appeal_that_no_event_told_of_is_listed_once_it_is_granted() -> None:
    (row,) = listed({}, [], granted("a", hours(2)))
    assert (row["status"], row["asked_at"], row["settled_at"]) == ("granted", None, hours(2))


def test_those_that_wait_come_first_the_latest_of_them_first() -> None:
    opened = {"a": hours(1), "b": hours(2), "c": hours(9), "d": hours(8)}
    rows = listed(opened, [decision("a"), decision("b")], granted("d", hours(9)))
    assert [row["account_id"] for row in rows] == ["b", "a", "d", "c"]

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from stillwatch.errors import ConfigError, EnvironmentFault, UsageError
from stillwatch.model.tables import JUDGEMENTS
from stillwatch.store.journal import Journal
from stillwatch.store.ledger import Ledger
from stillwatch.store.schema import META
from stillwatch.store.state import State
from tests.databases import KINDS, database
from tests.store.conftest import NOON


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind."""
    with database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def shared(url: str) -> Iterator[State]:
    with State.create(url, workspace_id="w1") as state:
        yield state


def judge(state: State, subject: str = "c1", verdict: str = "honest", days: int = 0) -> str:
    return Journal(state, Ledger(state)).record_judgement(
        subject_kind="campaign",
        subject_id=subject,
        verdict=verdict,
        author="reviewer",
        note="a class at a school",
        judged_at=NOON + timedelta(days=days),
    )


def test_a_judgement_comes_back_in_the_shape_of_the_floor_plan(shared: State) -> None:
    judgement_id = judge(shared)
    rows = shared.judgements()
    assert rows.schema.equals(JUDGEMENTS.schema)
    (row,) = rows.to_pylist()
    assert row["judgement_id"] == judgement_id
    assert (row["verdict"], row["judged_at"]) == ("honest", NOON)


def test_judgements_are_cut_before_the_moment_asked_for_and_come_in_order(shared: State) -> None:
    for days in (2, 0, 1):
        judge(shared, days=days)
    times = shared.judgements(NOON + timedelta(days=2))["judged_at"].to_pylist()
    assert times == [NOON, NOON + timedelta(days=1)]


def test_no_judgements_are_an_empty_table_of_the_same_shape(shared: State) -> None:
    assert shared.judgements().equals(JUDGEMENTS.empty())


def test_the_same_judgement_twice_is_stored_once_and_another_verdict_beside_it(shared: State) -> None:
    assert judge(shared) == judge(shared)
    assert judge(shared, verdict="distillation") != judge(shared)
    assert shared.judgements().num_rows == 2


@pytest.mark.parametrize("wrong", [{"subject_kind": "user"}, {"verdict": "guilty"}, {"author": " "}])
def test_a_judgement_with_a_word_that_does_not_exist_is_refused(state: State, wrong: dict[str, str]) -> None:
    words = {"subject_kind": "account", "subject_id": "a", "verdict": "honest", "author": "r", "note": ""} | wrong
    with pytest.raises(UsageError):
        Journal(state, Ledger(state)).record_judgement(**words, judged_at=NOON)
    assert state.judgements().num_rows == 0


def test_a_database_is_set_up_once_and_keeps_its_rows(shared: State, url: str) -> None:
    judge(shared)
    with State.create(url, workspace_id="w1") as again, State.open(url) as opened:
        assert again.judgements().num_rows == opened.judgements().num_rows == 1
        assert opened.workspace_id == "w1"


def test_a_database_serves_one_workspace(shared: State, url: str) -> None:
    with pytest.raises(ConfigError, match="belongs to workspace w1"):
        State.create(url, workspace_id="w2")


def test_a_database_of_another_release_is_refused(shared: State, url: str) -> None:
    with shared.writing() as connection:
        connection.execute(sa.update(META).where(META.c.name == "schema_version").values(value="99"))
    with pytest.raises(ConfigError, match="schema_version 99"):
        State.open(url)


def test_a_database_that_was_never_set_up_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stillwatch init"):
        State.open(f"sqlite:///{tmp_path / 'new.sqlite'}")


def test_a_folder_that_does_not_exist_is_a_fault_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be used"):
        State.open(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.sqlite'}")


@pytest.mark.parametrize("url", ["nonsense", "mysql+nothing://h/d", "duck://x"])
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        State.open(url)


def test_a_password_is_never_shown() -> None:
    engine = Mock(spec=sa.Engine, url=sa.make_url("postgresql://writer:hunter2@db/state"))
    assert State(engine).name == "postgresql://writer:***@db/state"


def test_writers_of_one_ledger_in_many_threads_make_one_chain(shared: State, url: str) -> None:
    def write(number: int) -> None:
        with State.open(url) as own:
            for step in range(5):
                Ledger(own).append("test", {"writer": number, "step": step}, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    ledger = Ledger(shared)
    ledger.verify()
    assert [entry.seq for entry in ledger.entries()] == list(range(1, 21))


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def write_and_fail() -> None:
        with state.writing() as connection:
            state.insert_new(connection, META, [{"name": "x", "value": "y"}])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    with state.reading() as connection:
        assert connection.scalar(sa.select(META.c.value).where(META.c.name == "x")) is None

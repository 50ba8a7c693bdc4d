"""Which tokens are a campaign's own, and which it only shares."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from stillwatch.engines import Engine, open_engine
from stillwatch.engines import Settings as EngineSettings
from stillwatch.model.tables import TOKEN_USES
from stillwatch.response import Settings, exclusive_tokens

SEEN = datetime(2026, 5, 9, 6, tzinfo=UTC)
MEMBERS = [f"bad-{number:02}" for number in range(40)]
Uses = dict[tuple[str, int], Iterable[str]]


@pytest.fixture
def engine() -> Iterator[Engine]:
    opened = open_engine("duckdb", EngineSettings(memory_limit="500MB", threads=1))
    yield opened
    opened.close()


def found(
    engine: Engine, uses: Uses, members: dict[str, list[str]] | None = None, **settings: int
) -> dict[tuple[str, int], str]:
    shared = {
        "day": date(2026, 5, 9), "n": 1, "input_tokens": 1, "output_tokens": 1, "openings": [6], "micro_cells": [],
        "prompts": [], "capabilities": [], "materials": [], "first_seen_at": SEEN, "last_seen_at": SEEN,
    }  # fmt: skip
    rows = [
        shared | {"account_id": account_id, "token_kind": kind, "token": token}
        for (kind, token), accounts in uses.items()
        for account_id in accounts
    ]
    pairs = [(name, account_id) for name, ids in (members or {"c-1": MEMBERS}).items() for account_id in ids]
    table = pa.table(
        {"campaign_id": [name for name, _ in pairs], "account_id": [account_id for _, account_id in pairs]}
    )
    expression = engine.from_arrow(TOKEN_USES, pa.Table.from_pylist(rows, schema=TOKEN_USES.schema))
    return exclusive_tokens(expression, table, engine=engine, settings=Settings(**settings))


def crowd(n: int, first: int = 0) -> list[str]:
    return [f"good-{number:03}" for number in range(first, first + n)]


def test_a_token_is_exclusive_from_twenty_adopters_and_ninety_five_per_cent_on(engine: Engine) -> None:
    uses: Uses = {
        ("system", 1): MEMBERS[:20],
        ("tools", 2): MEMBERS[:19],
        ("ja4", 3): [*MEMBERS[:38], *crowd(2)],
        ("address", 4): [*MEMBERS[:38], *crowd(3)],
        ("skeleton", 5): crowd(30),
    }
    assert found(engine, uses) == {("system", 1): "c-1", ("ja4", 3): "c-1"}


def test_tokens_that_reach_too_many_outsiders_together_are_left_out(engine: Engine) -> None:
    uses: Uses = {("shingle", number): [*MEMBERS, *crowd(2, first=2 * number)] for number in range(10)}
    uses[("shingle", 99)] = MEMBERS
    uses[("system", 7)] = [*MEMBERS, *crowd(2, first=50)]
    assert set(found(engine, uses)) == {("shingle", 0), ("shingle", 99), ("system", 7)}


def test_one_crowd_that_sends_several_tokens_counts_once(engine: Engine) -> None:
    uses: Uses = {("shingle", number): [*MEMBERS, *crowd(2)] for number in range(10)}
    assert len(found(engine, uses)) == 10


def test_no_more_tokens_of_a_kind_are_kept_than_the_settings_say(engine: Engine) -> None:
    uses: Uses = {("shingle", number): MEMBERS[: 30 + number] for number in range(8)}
    assert set(found(engine, uses, max_tokens_per_kind=3)) == {("shingle", 7), ("shingle", 6), ("shingle", 5)}


def test_a_token_of_two_campaigns_is_exclusive_to_none(engine: Engine) -> None:
    halves = {"c-1": MEMBERS[:20], "c-2": MEMBERS[20:]}
    assert found(engine, {("system", 1): MEMBERS}, halves) == {}

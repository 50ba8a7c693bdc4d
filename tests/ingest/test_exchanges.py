from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from stillwatch.engines import Settings as EngineSettings
from stillwatch.engines import open_engine as connect
from stillwatch.ingest import call_names, exchanges, folded_sketches, under_one_key
from stillwatch.model.table import Table
from stillwatch.model.tables import EXCHANGE_RECORDS, EXCHANGES, PROMPT_SKETCHES

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["duckdb", pytest.param("local[1]", marks=pytest.mark.spark)], scope="module")
def engine(request):
    opened = connect(request.param, EngineSettings())
    yield opened
    opened.close()


def row(table: Table, **values: object) -> dict[str, object]:
    """A row with required columns filled in."""
    plain = {
        "day": date(2026, 6, 1), "source": "s", "source_record_id": f"r{values['record_key']}", "ingested_at": NOON,
        "ingest_batch_id": "b", "start_time": NOON, "status": "ok", "content_capture": "none", "sketch_version": 1,
    }  # fmt: skip
    merged = plain | values
    return {name: merged.get(name) for name in table.schema.names}


def rows(table: Table, listed: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([row(table, **values) for values in listed], schema=table.schema)


def fold(engine, records: list[dict[str, object]], sketches: list[dict[str, object]]) -> list[dict[str, object]]:
    folded = exchanges(
        engine.from_arrow(EXCHANGE_RECORDS, rows(EXCHANGE_RECORDS, records)),
        engine.from_arrow(PROMPT_SKETCHES, rows(PROMPT_SKETCHES, sketches)),
    )
    assert tuple(folded.columns) == tuple(EXCHANGES.schema.names)
    return sorted(engine.to_arrow(folded).to_pylist(), key=lambda one: one["exchange_key"])


GATEWAY = {
    "record_key": 1, "exchange_key": 9, "account_id": "acct-gateway", "client_address": 77, "tls_client_ja4_hash": 5,
    "request_model": "alias", "http_status_code": 200, "start_time": NOON, "ingested_at": NOON,
}  # fmt: skip
SDK = {
    "record_key": 2, "exchange_key": 9, "account_id": "svc", "end_user_id": "end-1", "conversation_id": "talk",
    "request_model": "model-a", "input_tokens": 44, "output_tokens": 12, "start_time": NOON + timedelta(seconds=1),
    "ingested_at": NOON + timedelta(hours=1), "content_capture": "full",
}  # fmt: skip
PROMPT = {"record_key": 2, "exchange_key": 9, "n_chars": 40}


@pytest.mark.parametrize("records", [[GATEWAY, SDK], [SDK, GATEWAY]], ids=["gateway first", "sdk first"])
def test_a_content_and_an_identity_record_become_one_exchange_in_either_order(engine, records):
    (one,) = fold(engine, records, [PROMPT])
    assert one["account_id"] == "acct-gateway"
    assert one["end_user_id"] == "end-1"
    assert (one["client_address"], one["tls_client_ja4_hash"]) == (77, 5)
    assert (one["request_model"], one["conversation_id"]) == ("model-a", "talk")
    assert (one["input_tokens"], one["output_tokens"], one["http_status_code"]) == (44, 12, 200)
    assert (one["start_time"], one["day"]) == (NOON, date(2026, 6, 1))


def test_the_order_of_arrival_changes_nothing(engine):
    late = [GATEWAY | {"ingested_at": NOON + timedelta(days=9)}, SDK | {"ingested_at": NOON}]
    assert fold(engine, late, [PROMPT]) == fold(engine, [GATEWAY, SDK], [PROMPT])


def test_a_call_reported_three_times_counts_once_with_its_worst_status(engine):
    third = SDK | {"record_key": 3, "status": "error", "input_tokens": 31, "http_status_code": 500}
    (one,) = fold(engine, [third, GATEWAY, SDK], [PROMPT])
    assert (one["status"], one["input_tokens"], one["http_status_code"]) == ("error", 44, 500)


def test_a_call_on_both_sides_of_midnight_belongs_to_the_day_of_its_start(engine):
    before = datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)
    (one,) = fold(engine, [GATEWAY | {"start_time": before, "day": date(2026, 5, 31)}, SDK], [PROMPT])
    assert (one["day"], one["start_time"]) == (date(2026, 5, 31), before)


def test_records_of_different_calls_stay_apart_and_unchanged(engine):
    alone = SDK | {"record_key": 5, "exchange_key": 5, "status": "blocked"}
    folded = fold(engine, [GATEWAY, SDK, alone], [PROMPT])
    assert [one["exchange_key"] for one in folded] == [5, 9]
    assert folded[0]["status"] == "blocked"
    assert folded[0]["account_id"] == "svc"


def test_no_records_give_no_exchanges(engine):
    assert fold(engine, [], []) == []


def test_the_sketch_of_an_exchange_is_that_of_the_longest_prompt(engine):
    listed = [
        {"record_key": 4, "exchange_key": 9, "n_chars": 10},
        {"record_key": 3, "exchange_key": 9, "n_chars": 40},
        {"record_key": 2, "exchange_key": 9, "n_chars": 40},
        {"record_key": 1, "exchange_key": 9, "n_chars": None},
        {"record_key": 7, "exchange_key": 8, "n_chars": None},
    ]
    folded = folded_sketches(engine.from_arrow(PROMPT_SKETCHES, rows(PROMPT_SKETCHES, listed)))
    assert tuple(folded.columns) == tuple(PROMPT_SKETCHES.schema.names)
    keys = {one["exchange_key"]: one["record_key"] for one in engine.to_arrow(folded).to_pylist()}
    assert keys == {9: 2, 8: 7}
    assert engine.to_arrow(folded).num_rows == 2


def joined(engine, records: list[dict[str, object]], sketches: list[dict[str, object]]) -> dict[int, int]:
    """Record key to the key of its whole call, of records and of sketches; both must agree."""
    told = engine.from_arrow(EXCHANGE_RECORDS, rows(EXCHANGE_RECORDS, records))
    drawn = engine.from_arrow(PROMPT_SKETCHES, rows(PROMPT_SKETCHES, sketches))
    names = engine.materialize(call_names(told))
    found, seen = (
        {one["record_key"]: one["exchange_key"] for one in engine.to_arrow(under_one_key(part, names)).to_pylist()}
        for part in (told, drawn)
    )
    assert seen.items() <= found.items()
    assert len(found) == len(records)
    return found


GUARDRAIL = {"record_key": 1, "exchange_key": 20, "account_id": "acct", "api_key_id": "k"}
PAYLOAD = {"record_key": 2, "exchange_key": 10, "alias_keys": [20, 30], "account_id": "acct", "input_tokens": 44}
SPAN = {"record_key": 3, "exchange_key": 10}
EDGE = {"record_key": 4, "exchange_key": 30, "tls_client_ja4_hash": 5}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_records_that_know_a_call_by_different_names_meet_through_the_one_that_knows_all(engine, order):
    listed = [(GUARDRAIL, PAYLOAD, SPAN, EDGE)[at] for at in order]
    drawn = [{"record_key": one["record_key"], "exchange_key": one["exchange_key"]} for one in listed]
    assert joined(engine, listed, drawn) == {1: 10, 2: 10, 3: 10, 4: 10}


def test_without_the_record_that_knows_all_names_the_others_stay_apart(engine):
    assert joined(engine, [GUARDRAIL, SPAN, EDGE], []) == {1: 20, 3: 10, 4: 30}


def test_a_name_that_several_calls_claim_joins_nothing(engine):
    """A trace of many calls, or a request id that a client sends again and again, must not make one call of them."""
    other = PAYLOAD | {"record_key": 5, "exchange_key": 11, "alias_keys": [21, 30]}
    again = PAYLOAD | {"record_key": 6}
    assert joined(engine, [GUARDRAIL, PAYLOAD, again, other, EDGE], []) == {1: 10, 2: 10, 6: 10, 5: 11, 4: 30}


def test_two_records_that_claim_each_other_stay_apart(engine):
    mutual = {"record_key": 7, "exchange_key": 20, "alias_keys": [10]}
    assert joined(engine, [PAYLOAD, mutual], []) == {2: 10, 7: 20}

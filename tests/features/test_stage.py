from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.engines import Engine
from stillwatch.errors import ConfigError, UsageError
from stillwatch.features import READS, WRITES, Settings
from stillwatch.model.table import Table
from stillwatch.model.tables import ACCOUNT_DAYS, EXCHANGES, PROMPT_SKETCHES, TOKEN_USES
from stillwatch.model.window import Window
from tests.engines.parity import assert_same_rows
from tests.features.reference import reference_features
from tests.features.worlds import DAYS_KEY, START, USES_KEY, WINDOW, exchange, features, random_world, sketch

TINY = st.integers(0, 2)
MAYBE = st.none() | TINY
EXCHANGE_ROWS = st.lists(
    st.builds(
        dict,
        account=st.sampled_from([None, "a", "b", "ä"]),
        hours=st.sampled_from([-1.0, 0.0, 5.5, 23.999, 24.0, 30.0, 71.9, 72.0]),
        org_id=st.sampled_from([None, "o", "p"]),
        conversation_id=st.sampled_from([None, "c", ""]),
        request_model=st.sampled_from([None, "m", "n"]),
        status=st.sampled_from(["ok", "error"]),
        http_status_code=st.sampled_from([None, 200, 429]),
        input_tokens=MAYBE,
        output_tokens=MAYBE,
        client_address=MAYBE,
        client_prefix=MAYBE,
        tls_client_ja4_hash=MAYBE,
    ),
    max_size=25,
)
SKETCH_ROWS = st.dictionaries(
    st.integers(0, 24),
    st.builds(
        dict,
        skeleton_hash=MAYBE,
        system_hash=MAYBE,
        tools_hash=MAYBE,
        shingles=st.none() | st.lists(TINY, unique=True).map(sorted),
        materials=st.none() | st.lists(TINY, unique=True).map(sorted),
        prompt_hash=MAYBE,
        micro_cell=MAYBE,
        capability=MAYBE,
    ),
)


def column(rows: pa.Table, name: str, **where: Any) -> list[Any]:
    return [row[name] for row in rows.to_pylist() if all(row[key] == value for key, value in where.items())]


def in_shape(table: Table, rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The reference's rows with the columns of `table` in their order."""
    return pa.Table.from_pylist(rows[table.name], schema=table.schema).to_pylist()


def assert_equal_features(left: dict[str, pa.Table], right: dict[str, pa.Table]) -> None:
    assert_same_rows(left["token_uses"], right["token_uses"], USES_KEY)
    assert_same_rows(left["account_days"], right["account_days"], DAYS_KEY)


def test_features_equal_a_plain_python_reference(duckdb_engine: Engine) -> None:
    @settings(max_examples=40, deadline=None)
    @given(
        rows=EXCHANGE_ROWS, texts=SKETCH_ROWS, by=st.sampled_from(["account", "org"]), at_once=st.sampled_from([1, 99])
    )
    def check(rows: list[dict[str, Any]], texts: dict[int, dict[str, Any]], by: str, at_once: int) -> None:
        exchanges = [exchange(key, row.pop("account"), **row) for key, row in enumerate(map(dict, rows))]
        sketches = [sketch(key, **text) for key, text in texts.items()]
        made = features(duckdb_engine, exchanges, sketches, by=by, settings=Settings(exchanges_at_once=at_once))
        expected = reference_features(exchanges, sketches, WINDOW.start, WINDOW.end, by)
        for table in WRITES:
            assert made[table.name].to_pylist() == in_shape(table, expected)

    check()


def test_a_random_world_equals_the_reference(duckdb_engine: Engine) -> None:
    exchanges, sketches = random_world(5_000, 3, seed=1)
    made = features(duckdb_engine, exchanges, sketches)
    expected = reference_features(exchanges.to_pylist(), sketches.to_pylist(), WINDOW.start, WINDOW.end)
    assert made["token_uses"].num_rows > 10_000
    for table in WRITES:
        assert made[table.name].to_pylist() == in_shape(table, expected)


@pytest.mark.spark
def test_spark_gives_the_same_rows_as_duckdb(duckdb_engine: Engine, spark_engine: Engine) -> None:
    exchanges, sketches = random_world(100_000, 3, seed=2)
    assert_equal_features(features(duckdb_engine, exchanges, sketches), features(spark_engine, exchanges, sketches))


def test_no_rows_in_gives_no_rows_out_in_the_right_shape(engine: Engine) -> None:
    made = features(engine, [])
    for table in WRITES:
        assert made[table.name].num_rows == 0
        assert made[table.name].schema.names == table.schema.names
        assert made[table.name].schema.types == table.schema.types


def test_columns_have_the_order_and_types_of_the_floor_plan(duckdb_engine: Engine) -> None:
    made = features(duckdb_engine, *random_world(200, 1, seed=3))
    for table in WRITES:
        assert made[table.name].schema.names == table.schema.names
        assert made[table.name].schema.types == table.schema.types
        required = [field.name for field in table.schema if not field.nullable]
        assert all(made[table.name].column(name).null_count == 0 for name in required)


def test_the_stage_declares_what_it_reads_and_writes() -> None:
    assert READS == (EXCHANGES, PROMPT_SKETCHES)
    assert WRITES == (TOKEN_USES, ACCOUNT_DAYS)


def test_days_run_apart_equal_one_run(duckdb_engine: Engine) -> None:
    exchanges, sketches = random_world(3_000, 3, seed=4)
    whole = features(duckdb_engine, exchanges, sketches)
    days = [
        features(
            duckdb_engine, exchanges, sketches, window=Window(START + timedelta(days=d), START + timedelta(days=d + 1))
        )
        for d in range(3)
    ]
    assert_equal_features(whole, {name: pa.concat_tables([day[name] for day in days]) for name in whole})


def test_the_order_of_rows_changes_nothing(duckdb_engine: Engine) -> None:
    exchanges, sketches = random_world(2_000, 2, seed=5)
    turned = [rows.take(list(range(rows.num_rows - 1, -1, -1))) for rows in (exchanges, sketches)]
    assert_equal_features(features(duckdb_engine, exchanges, sketches), features(duckdb_engine, *turned))


def test_renaming_accounts_renames_rows_and_changes_nothing_else(duckdb_engine: Engine) -> None:
    exchanges, sketches = random_world(2_000, 2, seed=6)
    position = exchanges.schema.get_field_index("account_id")
    # Reversing the text also turns the order of the ids, which decides their internal numbers.
    renamed = pa.array([name and name[::-1] for name in exchanges["account_id"].to_pylist()], pa.string())
    made = features(duckdb_engine, exchanges.set_column(position, exchanges.schema.field(position), renamed), sketches)
    back = {
        name: rows.set_column(1, rows.schema.field(1), pa.array([a[::-1] for a in rows["account_id"].to_pylist()]))
        for name, rows in made.items()
    }
    assert_equal_features(features(duckdb_engine, exchanges, sketches), back)


def test_a_template_used_daily_by_two_accounts_is_kept(duckdb_engine: Engine) -> None:
    rows = [exchange(10 * day + a, f"a{a}", hours=24 * day + 7 * a) for day in range(3) for a in range(2)]
    texts = [sketch(row["exchange_key"], shingles=[1, 2], prompt_hash=row["exchange_key"]) for row in rows]
    made = features(duckdb_engine, rows, texts)["token_uses"]
    assert made.num_rows == 3 * 2 * 2
    assert set(made["token"].to_pylist()) == {1, 2}


def test_a_shingle_that_two_accounts_use_on_different_days_only_is_lost(duckdb_engine: Engine) -> None:
    """The measured price of a bounded fan-out."""
    rows = [exchange(1, "a", hours=1), exchange(2, "b", hours=25)]
    texts = [sketch(key, shingles=[7], prompt_hash=key) for key in (1, 2)]
    assert features(duckdb_engine, rows, texts)["token_uses"].num_rows == 0


def test_a_resent_prompt_counts_once_in_its_conversation_but_every_time_as_exchange(duckdb_engine: Engine) -> None:
    rows = [exchange(key, "a", hours=key, conversation_id="c", client_address=9) for key in range(4)]
    rows.append(exchange(4, "a", hours=4, conversation_id="other", client_address=9))
    texts = [sketch(key, prompt_hash=1, micro_cell=77, capability=3) for key in range(5)]
    uses = features(duckdb_engine, rows, texts)["token_uses"].to_pylist()
    assert [(use["n"], use["openings"]) for use in uses] == [(5, [0, 4])]
    assert [(use["micro_cells"], use["capabilities"]) for use in uses] == [([77, 77], [3, 3])]


def test_only_the_first_prompt_of_a_conversation_gives_material(duckdb_engine: Engine) -> None:
    """Whoever holds a conversation stays with its material; coming back to it in another one is what tells."""
    rows = [exchange(key, "a", hours=key, conversation_id="c", client_address=9) for key in range(3)]
    rows.append(exchange(3, "a", hours=5, conversation_id="other", client_address=9))
    texts = [sketch(key, prompt_hash=key, materials=[key, 7]) for key in range(1, 4)]
    uses = features(duckdb_engine, rows, texts)["token_uses"]
    assert uses["materials"].to_pylist() == [[1, 3, 7, 7]]


def test_without_conversations_each_hour_gives_material_once(duckdb_engine: Engine) -> None:
    rows = [exchange(key, "a", hours=hours) for key, hours in enumerate((1.0, 1.5, 2.0))]
    texts = [sketch(key, prompt_hash=key, materials=[key]) for key in range(3)]
    assert features(duckdb_engine, rows, texts)["account_days"]["materials"].to_pylist() == [[0, 2]]


def test_every_account_keeps_the_same_quarter_of_prompts(duckdb_engine: Engine) -> None:
    rows = [exchange(10 * a + key, f"a{a}", conversation_id="c") for a in range(2) for key in range(8)]
    texts = [sketch(10 * a + key, prompt_hash=key - 4) for a in range(2) for key in range(8)]
    kept = features(duckdb_engine, rows, texts)["account_days"]["prompts"].to_pylist()
    assert kept == [[0, 0x7FFF], [0, 0x7FFF]]


def test_exchanges_without_a_conversation_share_one_a_day(duckdb_engine: Engine) -> None:
    rows = [exchange(1, "a", hours=1), exchange(2, "a", hours=2), exchange(3, "a", hours=26), exchange(4, "b", hours=1)]
    texts = [sketch(key, prompt_hash=1, micro_cell=5) for key in range(1, 5)]
    assert features(duckdb_engine, rows, texts)["account_days"]["micro_cells"].to_pylist() == [[5], [5], [5]]


def test_errors_and_rate_limits_are_counted(duckdb_engine: Engine) -> None:
    rows = [
        exchange(1, "a", status="error", http_status_code=429),
        exchange(2, "a", status="error", http_status_code=500),
        exchange(3, "a", status="ok"),
    ]
    days = features(duckdb_engine, rows)["account_days"].to_pylist()
    assert [(day["n"], day["n_errors"], day["n_rate_limited"]) for day in days] == [(3, 2, 1)]


@pytest.mark.parametrize(("by", "expected"), [("account", ["a"]), ("org", ["o"]), ("end_user", ["e"])])
def test_the_identity_level_picks_the_account_column(duckdb_engine: Engine, by: str, expected: list[str]) -> None:
    rows = [
        exchange(1, "a"),
        exchange(2, None, org_id="o"),
        exchange(3, None, end_user_id="e"),
    ]
    assert features(duckdb_engine, rows, by=by)["account_days"]["account_id"].to_pylist() == expected


def test_an_unknown_identity_level_is_a_usage_error(duckdb_engine: Engine) -> None:
    with pytest.raises(UsageError, match="identity level 'device'"):
        features(duckdb_engine, [], by="device")


def test_a_window_that_starts_within_a_day_cuts_that_day(duckdb_engine: Engine) -> None:
    window = Window(START + timedelta(hours=6), START + timedelta(hours=30))
    rows = [exchange(hour, "a", hours=hour) for hour in (5, 6, 29, 30)]
    made = features(duckdb_engine, rows, window=window)["account_days"]
    assert made["openings"].to_pylist() == [[6], [5]]


@pytest.mark.parametrize("kind", ["skeleton", "shingle", "address"])
def test_only_the_token_kinds_that_settings_name_are_recorded(duckdb_engine: Engine, kind: str) -> None:
    made = features(duckdb_engine, *random_world(500, 1, seed=8), settings=Settings(token_kinds=(kind,)))
    assert set(made["token_uses"]["token_kind"].to_pylist()) == {kind}


@pytest.mark.parametrize("wrong", [{"token_kinds": ("country",)}, {"token_kinds": ()}, {"exchanges_at_once": 0}])
def test_settings_out_of_range_are_a_config_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="features"):
        msgspec.structs.replace(Settings(), **wrong)


def test_equal_shingles_of_one_account_are_not_shared(duckdb_engine: Engine) -> None:
    rows = [exchange(key, "a", hours=key) for key in (1, 2)]
    texts = [sketch(key, shingles=[7], prompt_hash=key) for key in (1, 2)]
    assert column(features(duckdb_engine, rows, texts)["token_uses"], "token", token_kind="shingle") == []

"""What one value means, and that whole columns mean the same."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.model.tables import TEXT, TIME
from stillwatch.sources.casts import cast_column
from stillwatch.sources.coercion import EPOCH, RULES, Flaw, as_count, as_flag, as_moment, as_texts, from_unit
from stillwatch.sources.columns import records

MOMENT = 1_776_844_800_123_456
SPELLINGS = (
    "2026-04-22T08:00:00.123456Z", "2026-04-22 08:00:00.123456", "2026-04-22T10:00:00.123456+02:00",
    "2026-04-22T08:00:00.123456789+00:00", MOMENT, str(MOMENT), MOMENT * 1000, "1776844800.123456",
    datetime(2026, 4, 22, 8, 0, 0, 123456), datetime(2026, 4, 22, 8, 0, 0, 123456, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS, ids=str)
def test_every_spelling_of_a_time_is_the_same_time(spelling: object) -> None:
    assert as_moment(spelling) == MOMENT


@pytest.mark.parametrize(
    ("number", "seconds"), [(1_776_844_800, 0), (1_776_844_800_500, 0.5), (1_776_844_800.25, 0.25)]
)
def test_the_unit_of_a_number_is_told_by_its_size(number: float, seconds: float) -> None:
    assert as_moment(number) == 1_776_844_800_000_000 + round(seconds * 1e6)


@pytest.mark.parametrize(
    "value",
    ["1970-01-01T00:00:00Z", 0, "2100-01-01", 4_102_444_800, "1999-12-31T23:59:59Z", "noon", {}, [], True, 1e300],
)
def test_clocks_that_cannot_be_right_are_bad_times(value: object) -> None:
    found = as_moment(value)
    assert isinstance(found, Flaw)
    assert found.reason == "bad_time"


def test_the_first_and_last_moments_of_the_range_are_accepted() -> None:
    assert as_moment("2000-01-01") == 946_684_800_000_000
    assert as_moment("2099-12-31T23:59:59.999999Z") == 4_102_444_799_999_999


@pytest.mark.parametrize("second", [946_684_801, 4_102_444_799])
@pytest.mark.parametrize("per_second", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_a_number_is_right_at_both_ends_of_the_range(second: int, per_second: int) -> None:
    assert as_moment(second * per_second) == second * 10**6
    whole = cast_column(pa.array([second * per_second]), TIME)
    assert whole.cast(pa.int64()).to_pylist() == [second * 10**6]


def test_a_stated_unit_is_not_guessed() -> None:
    assert isinstance(from_unit(1_776_844_800, 10**3), Flaw)
    assert from_unit("1776844800123456789", 10**9) == MOMENT


@pytest.mark.parametrize(("value", "count"), [(3, 3), (3.0, 3), ("3", 3), (" 3 ", 3), ("", None), (float("nan"), None)])
def test_counts_are_read_from_numbers_and_digits(value: object, count: int | None) -> None:
    assert as_count(value) == count


@pytest.mark.parametrize("value", [-1, 2**63, 3.5, True, "three", [3], "1" * 5000, float("inf")])
def test_what_is_no_count_is_a_flaw(value: object) -> None:
    assert isinstance(as_count(value), Flaw)


def test_flags_are_words_or_one_and_zero() -> None:
    assert [as_flag(value) for value in (True, "TRUE", 1, "0", "")] == [True, True, True, False, None]
    assert isinstance(as_flag(2), Flaw)
    assert isinstance(as_flag("yes"), Flaw)


def test_lists_come_as_lists_as_json_or_as_one_text() -> None:
    assert as_texts('["a","b"]') == as_texts(["a", None, "b"]) == ["a", "b"]
    assert as_texts("a") == ["a"]
    assert isinstance(as_texts("[1"), Flaw)
    assert isinstance(as_texts([1]), Flaw)


ARROW_TYPES = {
    TEXT: st.text(max_size=5),
    TIME: st.sampled_from(["2026-04-22T08:00:00Z", "2026-04-22", "nine", "1776844800", "1970-01-01T00:00:00Z", ""]),
    pa.int64(): st.sampled_from(["1", "-1", "2.0", "x", "", "99999999999999999999"]),
    pa.float64(): st.sampled_from(["1", "0.5", "x", "", "1e5"]),
    pa.bool_(): st.sampled_from(["true", "False", "1", "0", "", "maybe"]),
}


@pytest.mark.parametrize("kind", list(ARROW_TYPES), ids=str)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(data=st.data())
def test_a_column_read_at_once_holds_what_each_value_means(kind: pa.DataType, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.none() | ARROW_TYPES[kind], max_size=6))
    whole = cast_column(pa.array(texts, pa.string()), kind)
    if whole is not None:
        one_by_one = [None if text is None else RULES[kind](text) for text in texts]
        found = (whole.cast(pa.int64()) if kind == TIME else whole).to_pylist()
        for got, meant in zip(found, one_by_one, strict=True):
            assert got == meant or (isinstance(meant, Flaw) and kind == TIME)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@settings(deadline=None, derandomize=True, max_examples=60)
@given(ticks=st.integers(-(2**63), 2**63 - 1))
def test_a_timestamp_column_keeps_its_own_unit(unit: str, ticks: int) -> None:
    columns = {
        "source_record_id": ["r"],
        "start_time": pa.array([ticks], pa.int64()).cast(pa.timestamp(unit)),
    }
    batch, flaws = records(columns, [1], required=("source_record_id", "start_time"))
    microseconds = ticks * 10**6 // {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    if 946_684_800_000_000 <= microseconds < 4_102_444_800_000_000:
        assert batch["start_time"].to_pylist() == [EPOCH + timedelta(microseconds=microseconds)]
    else:
        assert flaws[0].reason == "bad_time"

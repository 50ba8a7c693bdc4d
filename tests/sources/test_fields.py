"""Fields are counted by name, and no name gives away a value."""

import pytest

from stillwatch.sources.fields import MAX_NAMES, FieldCounter


def counted(*records: dict[str, object]) -> dict[str, int]:
    counter = FieldCounter()
    for record in records:
        counter.add(record)
    return counter.take()


def test_nested_names_are_dotted_and_null_is_not_counted() -> None:
    assert counted({"a": {"b": 1, "c": None}, "d": []}, {"a": {"b": 2}}) == {"a.b": 2, "d": 1}


def test_numbers_in_names_are_positions() -> None:
    assert counted({"m.0.role": 1, "m.1.role": 1}) == {"m.*.role": 1}


@pytest.mark.parametrize("name", ["someone@example.test", "192.0.2.1", "sk-not-a-real-key", "Bearer x", "x" * 200, ""])
def test_a_name_that_may_hold_a_value_is_not_kept(name: str) -> None:
    assert counted({"metadata": {name: 1}}) == {"metadata.*": 1}


def test_the_number_of_names_is_bounded() -> None:
    counts = counted(*({f"n{i}_{j}": 1 for j in range(50)} for i in range(100)))
    assert len(counts) <= MAX_NAMES + 1
    assert counts["*"] > 0


def test_counting_starts_again_after_each_chunk() -> None:
    counter = FieldCounter()
    counter.add({"a": 1})
    assert counter.take() == {"a": 1}
    assert counter.take() == {}

import pyarrow as pa
import pytest

from tests.engines.parity import assert_same_rows

ROWS = pa.table({"k": [1, 2], "x": [0.1, float("nan")], "p": [[0.5], None], "s": ["a", None]})


def test_order_and_rounding_do_not_matter() -> None:
    other = pa.table({"k": [2, 1], "x": [float("nan"), 0.1 + 1e-12], "p": [None, [0.5]], "s": [None, "a"]})
    assert_same_rows(ROWS, other, ["k"])


@pytest.mark.parametrize(
    "other",
    [
        ROWS.slice(0, 1),
        ROWS.drop(["s"]),
        pa.table({"k": [1, 2], "x": [0.1, None], "p": [[0.5], None], "s": ["a", None]}),
        pa.table({"k": [1, 2], "x": [0.1001, float("nan")], "p": [[0.5], None], "s": ["a", None]}),
        pa.table({"k": [1, 2], "x": [0.1, float("nan")], "p": [[0.6], None], "s": ["a", None]}),
        pa.table({"k": [1, 2], "x": [0.1, float("nan")], "p": [[0.5], None], "s": ["a", "b"]}),
        pa.table({"k": [1, 1], "x": [0.1, float("nan")], "p": [[0.5], None], "s": ["a", None]}),
    ],
    ids=["fewer", "columns", "null for nan", "float", "list", "text", "key repeats"],
)
def test_any_other_difference_fails(other: pa.Table) -> None:
    with pytest.raises(AssertionError):
        assert_same_rows(ROWS, other, ["k"])

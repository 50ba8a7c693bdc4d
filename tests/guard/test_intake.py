import pytest

from stillwatch.errors import GuardRefused
from stillwatch.guard.intake import MAX_BYTES, read_bounded, read_objects


def test_a_plain_message_is_read() -> None:
    assert read_objects(read_bounded(b'{"objects":[{"type":"x"}]}')) == [{"type": "x"}]
    assert read_objects(read_bounded(b"{}")) == []


@pytest.mark.parametrize(
    "body",
    [
        b" " * (MAX_BYTES + 1),
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[" * 1_000_000,
        b'{"a":[' * 16 + b"1" + b"]}" * 16,
        b"[]",
        b"1",
        b"",
        b'{"a":',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
    ],
)
def test_a_message_that_is_too_large_too_deep_or_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(GuardRefused):
        read_bounded(body)


def test_brackets_inside_texts_are_not_depth() -> None:
    assert read_bounded(b'{"a":"' + b"[{" * 500 + b'\\"[["}')["a"].endswith('"[[')


@pytest.mark.parametrize("objects", ["x", [1], [[]], {"a": {}}])
def test_objects_that_are_none_are_refused(objects: object) -> None:
    with pytest.raises(GuardRefused):
        read_objects({"objects": objects})


def test_a_message_of_too_many_objects_is_refused() -> None:
    with pytest.raises(GuardRefused, match="more than"):
        read_objects({"objects": [{}] * 20_001})


def test_a_refusal_never_quotes_the_message() -> None:
    with pytest.raises(GuardRefused) as refused:
        read_bounded(b'{"secret hunter2"')
    assert "hunter2" not in str(refused.value)

"""Lines and documents of a stream, in bounded memory."""

import io

import pytest

from stillwatch.sources.base import Reject
from stillwatch.sources.documents import read_documents
from stillwatch.sources.jsonlines import Line, decode_object, read_lines
from stillwatch.sources.streams import SteadyStream


def lines(data: bytes, limit: int = 100) -> list[Line | Reject]:
    return list(read_lines(SteadyStream(io.BytesIO(data)), max_line_bytes=limit))


def documents(data: bytes) -> list[bytes | str]:
    found = read_documents(SteadyStream(io.BytesIO(data)))
    return [item.raw if isinstance(item, Line) else item.reason for item in found]


def test_lines_are_numbered_as_an_editor_does_and_blank_ones_are_no_records() -> None:
    found = lines(b"\xef\xbb\xbfa\r\n\n  \nb")
    assert found == [Line(1, b"a"), Line(4, b"b")]


@pytest.mark.parametrize("size", [101, 5_000_000])
def test_a_line_that_is_too_long_is_one_reject_and_the_next_is_read(size: int) -> None:
    reject, after = lines(b"x" * size + b"\nnext\n")
    assert isinstance(reject, Reject)
    assert (reject.line_no, reject.reason, reject.n_bytes) == (1, "line_too_long", size)
    assert after == Line(2, b"next")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"{", "bad_json"), (b'"\xff"', "bad_utf8"), (b"[1]", "not_an_object"), (b'{"a":' * 9999, "too_deep"),
     (b'{"a":NaN}', "bad_json"), (b"\x00", "bad_json"), (b'{"a":"\\ud800"', "bad_json")],
)  # fmt: skip
def test_a_line_that_is_no_object_is_a_reject_with_its_reason(raw: bytes, reason: str) -> None:
    found = decode_object(Line(3, raw))
    assert isinstance(found, Reject)
    assert (found.line_no, found.reason, found.n_bytes) == (3, reason, len(raw))


def test_an_array_gives_its_elements() -> None:
    assert documents(b' [ {"a": 1},\n {"b": 2} ] ') == [b'{"a": 1}', b'{"b": 2}']
    assert documents(b"[]") == []


def test_an_array_that_breaks_off_gives_what_was_whole() -> None:
    assert documents(b'[{"a":1},{"b":2},{"c":') == [b'{"a":1}', b'{"b":2}', "bad_json"]


def test_documents_over_several_lines_in_a_row_are_told_apart() -> None:
    assert documents(b'{\n"a": 1\n}\n{\n"b": 2}') == [b'{\n"a": 1\n}', b'{\n"b": 2}']


@pytest.mark.parametrize("first", [b'{"broken', b"[1, 2", b"[1] x", b'{"a":1} trailing'])
def test_a_broken_first_line_does_not_turn_lines_into_one_document(first: bytes) -> None:
    found = documents(first + b'\n{"a":1}\n{"b":2}\n')
    assert found[-2:] == [b'{"a":1}', b'{"b":2}']
    assert len(found) == 3


def test_a_stream_that_fails_at_once_is_one_reject() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            raise EOFError("compressed file ended before its end marker")

    (only,) = read_documents(SteadyStream(Broken()))
    assert isinstance(only, Reject)
    assert (only.line_no, only.reason) == (1, "truncated_stream")

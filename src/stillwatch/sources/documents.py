"""JSON documents of a file: one a line, one over many lines, several in a row, or the elements of one array."""

import json
from collections.abc import Iterator

import msgspec

from stillwatch.sources.base import Reject
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.jsonlines import BYTE_ORDER_MARK, MAX_LINE_BYTES, Line, decode_json, read_lines
from stillwatch.sources.streams import SteadyStream

MAX_DOCUMENT_BYTES = 256 << 20
"""A file that is one document has to be held whole; a longer one is read as lines."""
SPACES = " \t\r\n"
PROBE_BYTES, PROBE_LINES = 4 << 20, 16


def read_documents(stream: SteadyStream) -> Iterator[Line | Reject]:
    """Every JSON value of the file with its raw bytes.

    A file of lines is read in bounded memory. A file whose first line is no whole value is held (up to
    MAX_DOCUMENT_BYTES) and read value by value; `line_no` then counts values. What cannot be read as values is read
    as lines, so that one damaged line costs itself only.
    """
    first = stream.head_line(MAX_LINE_BYTES).removeprefix(BYTE_ORDER_MARK).strip()
    if not first.startswith(b"[") and (_is_whole(first) or not first.startswith(b"{")):
        yield from read_lines(stream)
        return
    held = stream.read_all(MAX_DOCUMENT_BYTES)
    if held is None:
        yield from read_lines(stream)
        return
    values = list(_values(held.removeprefix(BYTE_ORDER_MARK)))
    is_damaged = bool(values) and isinstance(values[-1], Reject)
    if is_damaged and _has_whole_line(held):
        stream.unread(held)
        yield from read_lines(stream)
        return
    truncation = stream.truncation(len(values) + 1)
    yield from values[:-1] if truncation and is_damaged else values
    if truncation:
        yield truncation


def _has_whole_line(held: bytes) -> bool:
    """Whether one of the first lines is an object by itself: then the file is one of lines, with damage."""
    lines = held[:PROBE_BYTES].split(b"\n")[:PROBE_LINES]
    return any(line.strip().startswith(b"{") and _is_whole(line) for line in lines)


def _is_whole(raw: bytes) -> bool:
    try:
        decode_json(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _values(held: bytes) -> Iterator[Line | Reject]:
    try:
        for position, raw in enumerate(msgspec.json.decode(held, type=list[msgspec.Raw]), 1):
            yield Line(position, bytes(raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield from _values_one_by_one(held)


def _values_one_by_one(held: bytes) -> Iterator[Line | Reject]:
    """Values in a row or in an array that may break off; what follows the last sound value is one reject."""
    text = held.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    at = _past_spaces(text, 0)
    in_array = text.startswith("[", at)
    at = _past_spaces(text, at + in_array)
    position = 1
    while at < len(text):
        if in_array and text[at] == "]":
            in_array, at = False, _past_spaces(text, at + 1)
            continue
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield _rest(position, text[at:], "too_deep" if isinstance(error, RecursionError) else "bad_json")
            return
        yield Line(position, text[at:end].encode("utf-8", "replace"))
        at, position = _past_spaces(text, end), position + 1
        if in_array and at < len(text) and text[at] not in ",]":
            yield _rest(position, text[at:], "bad_json")
            return
        at = _past_spaces(text, at + 1) if in_array and text.startswith(",", at) else at


def _past_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACES:
        at += 1
    return at


def _rest(position: int, rest: str, reason: str) -> Reject:
    raw = rest.encode()
    return Reject(position, reason, "the rest of the file is not valid JSON", len(raw), raw_digest(raw))

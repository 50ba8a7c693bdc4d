"""Lines of a text stream in bounded memory, and the JSON object of each."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from stillwatch.sources.base import Reject, uncompressed_name
from stillwatch.sources.digests import raw_digest
from stillwatch.sources.streams import SteadyStream

MAX_LINE_BYTES = 64 << 20
"""A prompt of a million tokens is about 5 MB; a line of more than 64 MiB is not one exchange."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `line_no` counts from 1 and includes blank lines."""

    line_no: int
    raw: bytes


def is_json_lines(head: bytes, uri: str) -> bool:
    """Whether a text file holds JSON lines rather than CSV: by its name, else by its first sign."""
    plain = uncompressed_name(uri)
    return plain.endswith((".jsonl", ".ndjson")) or (not plain.endswith(".csv") and head[:1] in (b"{", b"["))


def read_lines(stream: SteadyStream, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Line | Reject]:
    """Every line that is not blank, in order; a longer one than `max_line_bytes` is a reject, as is a broken end."""
    tail = stream.head(3)
    tail = stream.read().removeprefix(BYTE_ORDER_MARK) if tail else b""
    line_no = 0
    while True:
        *whole, tail = tail.split(b"\n")
        for raw in whole:
            line_no += 1
            if raw and not raw.isspace():
                yield _checked(line_no, raw, max_line_bytes)
        if len(tail) > max_line_bytes:
            reject, tail = _skip_line(stream, line_no + 1, tail)
            line_no += 1
            yield reject
            continue
        chunk = stream.read()
        if not chunk:
            break
        tail += chunk
    if truncation := stream.truncation(line_no + 1, tail):
        yield truncation
    elif tail and not tail.isspace():
        yield _checked(line_no + 1, tail, max_line_bytes)


def _checked(line_no: int, raw: bytes, max_line_bytes: int) -> Line | Reject:
    raw = raw.removesuffix(b"\r")
    if len(raw) > max_line_bytes:
        return Reject(line_no, "line_too_long", "line is beyond the limit", len(raw), raw_digest(raw))
    return Line(line_no, raw)


def _skip_line(stream: SteadyStream, line_no: int, begun: bytes) -> tuple[Reject, bytes]:
    """The reject of a line that is too long, read to its end without being held, and what follows it."""
    digest = hashlib.blake2b(begun, digest_size=16)
    n_bytes, rest = len(begun), b""
    while chunk := stream.read():
        part, end, rest = chunk.partition(b"\n")
        digest.update(part)
        n_bytes += len(part)
        if end:
            break
    return Reject(line_no, "line_too_long", "line is beyond the limit", n_bytes, digest.hexdigest()), rest


def decode_object(line: Line) -> dict[str, object] | Reject:
    """The JSON object of a line. Of a key that comes twice the last one counts, as every JSON parser has it."""
    try:
        value = decode_json(line.raw)
    except RecursionError:
        return _refused(line, "too_deep", "JSON is nested too deeply")
    except ValueError as error:
        reason = "bad_utf8" if isinstance(error, UnicodeDecodeError) else "bad_json"
        return _refused(line, reason, "line is not valid UTF-8" if reason == "bad_utf8" else "line is not valid JSON")
    if not isinstance(value, dict):
        return _refused(line, "not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value


def decode_json(raw: bytes) -> object:
    """The value of JSON text; a surrogate without its pair, as cut-off text has, becomes a question mark.

    Raises:
        ValueError: the text is not JSON or not UTF-8.
        RecursionError: it is nested too deeply.
    """
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        if b"\\ud" not in raw.lower():
            raise ValueError("not JSON") from error
    repaired = json.dumps(json.loads(raw, parse_constant=_refuse_constant), ensure_ascii=False)
    value: object = json.loads(repaired.encode("utf-8", "replace"))
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _refused(line: Line, reason: str, detail: str) -> Reject:
    return Reject(line.line_no, reason, detail, len(line.raw), raw_digest(line.raw))

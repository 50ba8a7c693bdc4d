"""What every source must do, checked on each registered one by itself, and on one made by a mapping."""

import io
from pathlib import Path

import pytest

from stillwatch.errors import UsageError
from stillwatch.sources import RAW_RECORDS, Source, names, source
from stillwatch.sources.settings import EnvoySettings, Settings
from tests.sources.golden import FIXTURES, source_of
from tests.sources.parsing import parse_bytes, reasons, rows

IDS = [f"{folder}{sample.suffix}" for folder, sample in FIXTURES]
SECRETS = (b"not-a-real", b"Bearer", b"someone@example.test")


class BreakingStream(io.BytesIO):
    """A stream that fails after its bytes instead of ending."""

    def read1(self, size: int | None = -1) -> bytes:
        data = super().read1(size)
        if not data:
            raise OSError("the disk is gone")
        return data


@pytest.fixture(params=FIXTURES, ids=IDS)
def fixture(request: pytest.FixtureRequest) -> tuple[Source, Path]:
    folder, sample = request.param
    return source_of(folder), sample


def test_every_registered_source_has_a_sample() -> None:
    assert {folder for folder, _ in FIXTURES} >= set(names())


def test_rows_have_the_schema_and_are_sound(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    chunks = parse_bytes(format_source, sample.read_bytes(), sample.name)
    assert chunks
    for chunk in chunks:
        assert chunk.rows.schema == RAW_RECORDS
        chunk.rows.validate(full=True)


def test_every_record_is_a_row_or_a_reject(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    chunks = parse_bytes(format_source, sample.read_bytes(), sample.name)
    line_nos = [row["line_no"] for chunk in chunks for row in chunk.rows.to_pylist()]
    line_nos += [reject.line_no for chunk in chunks for reject in chunk.rejects]
    assert sum(chunk.n_records for chunk in chunks) == len(line_nos) == len(set(line_nos))


def test_parsing_twice_gives_the_same(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    first, second = (parse_bytes(format_source, sample.read_bytes(), sample.name) for _ in range(2))
    assert first == second


def test_an_empty_file_has_no_records(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    if sample.suffix == ".csv":
        sample = sample.with_suffix(".jsonl")
    assert sum(chunk.n_records for chunk in parse_bytes(format_source, b"", sample.name)) == 0


def test_no_secret_or_address_of_a_person_survives(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    for chunk in parse_bytes(format_source, sample.read_bytes(), sample.name):
        kept = repr((chunk.rows.to_pylist(), chunk.rejects, chunk.field_counts)).encode()
        assert not [secret for secret in SECRETS if secret in kept]


def test_rows_have_id_and_time_and_status_and_capture(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    for chunk in parse_bytes(format_source, sample.read_bytes(), sample.name):
        for name in ("source_record_id", "start_time", "status", "content_capture"):
            assert chunk.rows[name].null_count == 0


def test_a_stream_that_breaks_keeps_what_was_read(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    data = sample.read_bytes().partition(b"v-3")[0].removesuffix(b"\n") + b"\n"  # without the quote left open
    whole = parse_bytes(format_source, data, sample.name)
    broken = list(format_source.parse(BreakingStream(data), uri=sample.name))
    assert rows(broken) == rows(whole)
    assert reasons(broken) == [*reasons(whole), "truncated_stream"]


def test_a_stream_that_only_reads_forward_is_enough_for_text(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture

    class Forward(io.RawIOBase):
        def __init__(self) -> None:
            self._held = io.BytesIO(sample.read_bytes())

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._held.read(min(7, size) if size > 0 else 7)

    forward = list(format_source.parse(Forward(), uri=sample.name))  # type: ignore[arg-type]
    assert rows(forward) == rows(parse_bytes(format_source, sample.read_bytes(), sample.name))


def test_fields_are_counted_by_name(fixture: tuple[Source, Path]) -> None:
    format_source, sample = fixture
    counts = [chunk.field_counts for chunk in parse_bytes(format_source, sample.read_bytes(), sample.name)]
    assert any(counts)
    assert all(n > 0 for count in counts for n in count.values())


def test_an_unknown_source_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="anthropic, bedrock, canonical, envoy, langfuse, litellm, openai, otlp"):
        source("nothing")


def test_settings_reach_their_source() -> None:
    settings = Settings(envoy=EnvoySettings(account_fields=("tenant",), trusted_hops=2))
    line = (
        b'{"start_time":"2026-04-22T08:00:00Z","x-request-id":"r","tenant":"t-1","downstream_remote_address":'
        b'"192.0.2.1:5","x-forwarded-for":"203.0.113.66, 198.51.100.4, 198.51.100.9"}'
    )
    row = rows(parse_bytes(source("envoy", settings), line, "x.jsonl"))[0]
    assert (row["account_id"], row["client_address"]) == ("t-1", "198.51.100.4")


def test_a_forwarded_address_that_no_trusted_proxy_wrote_is_not_believed() -> None:
    settings = Settings(envoy=EnvoySettings(trusted_hops=2))
    line = b'{"start_time":"2026-04-22T08:00:00Z","x-request-id":"r","x-forwarded-for":"203.0.113.66"}'
    assert rows(parse_bytes(source("envoy", settings), line, "x.jsonl"))[0]["client_address"] is None

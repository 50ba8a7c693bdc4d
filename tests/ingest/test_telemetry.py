import bz2
import gzip
import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.ingest.conftest import NOW, START, House, keys, record, write_jsonl

from stillwatch.ingest import Progress, Settings, ingest_paths
from stillwatch.model.tables import (
    CONTENTS,
    EXCHANGE_RECORDS,
    INGEST_BATCHES,
    INGEST_REJECTS,
    PROMPT_SKETCHES,
)
from stillwatch.sketches import hash_text
from stillwatch.sources.base import RAW_RECORDS, Parsed
from stillwatch.sources.canonical import SOURCE as CANONICAL


def holds(report) -> bool:
    return report.records_in == report.rows_out + report.duplicates + report.rejected


class Fixed:
    """A source that hands over the rows it was made with."""

    name, version, suffixes, seek_suffixes = "fixed", "1", (".x",), ()
    identity_order = ("account_id", "org_id")

    def __init__(self, *rows: dict[str, object]) -> None:
        plain = {"start_time": START, "request_model": "m"}
        self.rows = [plain | {"line_no": at, "source_record_id": f"r{at}"} | row for at, row in enumerate(rows, 1)]

    def parse(self, stream, *, uri) -> Iterator[Parsed]:
        listed = [{name: row.get(name) for name in RAW_RECORDS.names} for row in self.rows]
        batch = pa.RecordBatch.from_pylist(
            listed, schema=pa.schema([field.with_nullable(True) for field in RAW_RECORDS])
        )
        yield Parsed(rows=batch)


def stored(house: House, tmp_path, *rows: dict[str, object], **settings: object) -> list[dict[str, object]]:
    """Ingest rows as a source hands them over; the stored records in order of their id."""
    path = tmp_path / "fixed.x"
    path.touch()
    house.ingest(path, source=Fixed(*rows), settings=Settings(**settings))
    return house.rows(EXCHANGE_RECORDS).sort_by("source_record_id").to_pylist()


def test_records_sketches_and_the_batch_are_stored_together(house, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [record(n, prompt=f"count to {n} please") for n in range(20)] + [b"{bad"])
    (report,) = house.ingest(path)
    assert (report.records_in, report.rows_out, report.duplicates, report.rejected) == (21, 20, 0, 1)
    assert house.rows(EXCHANGE_RECORDS).num_rows == house.rows(PROMPT_SKETCHES).num_rows == 20
    (batch,) = house.rows(INGEST_BATCHES).to_pylist()
    assert batch == {name: getattr(report, name) for name in INGEST_BATCHES.schema.names}
    (reject,) = house.rows(INGEST_REJECTS).to_pylist()
    assert (reject["line_no"], reject["reason"], reject["n_bytes"]) == (21, "bad_json", 4)
    assert house.lake.snapshot().version == 1


def test_ingesting_a_file_again_stores_nothing(house, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [record(n, prompt="x") for n in range(20)])
    house.ingest(path)
    (again,) = house.ingest(path)
    assert (again.rows_out, again.duplicates) == (0, 20)
    assert house.rows(EXCHANGE_RECORDS).num_rows == 20


def test_two_files_that_overlap_store_each_record_once(house, tmp_path):
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    write_jsonl(folder / "a.jsonl", [record(n) for n in range(10)])
    write_jsonl(folder / "deep" / "b.jsonl", [record(n) for n in range(5, 15)])
    first, second = house.ingest(folder)
    assert (first.rows_out, second.rows_out, second.duplicates) == (10, 5, 5)
    assert pc.count_distinct(house.rows(EXCHANGE_RECORDS)["record_key"]).as_py() == 15


def test_the_same_id_from_another_source_is_another_record(house, tmp_path):
    house.ingest(write_jsonl(tmp_path / "a.jsonl", [record(1)]))
    assert len(stored(house, tmp_path, {})) == 2


def test_a_key_that_comes_twice_in_a_file_is_stored_once_even_on_another_day(house, tmp_path):
    later = {"source_record_id": "r1", "start_time": START + timedelta(days=3)}
    assert len(stored(house, tmp_path, {}, {"source_record_id": "r1"}, later)) == 1


def test_keys_of_days_that_left_memory_are_still_duplicates(house, tmp_path):
    settings = Settings(keys_in_memory=1, records_per_commit=7)
    rows = [record(n, start_time=(START + timedelta(days=n % 9)).isoformat()) for n in range(60)]
    path = write_jsonl(tmp_path / "a.jsonl", rows + rows)
    (report,) = house.ingest(path, settings=settings)
    assert (report.rows_out, report.duplicates) == (60, 60)
    assert house.ingest(path, settings=settings)[0].duplicates == 120


def test_record_and_exchange_keys_are_published_hashes(house, tmp_path):
    with_call, without = stored(house, tmp_path, {"call_id": "call-1"}, {"call_id": ""})
    assert with_call["record_key"] == hash_text("fixed\0r1")
    assert with_call["exchange_key"] == hash_text("call-1")
    assert without["call_id"] is None
    assert without["exchange_key"] == without["record_key"] == hash_text("fixed\0r2")


def test_the_account_is_the_first_present_of_the_order(house, tmp_path):
    rows = stored(house, tmp_path, {"account_id": "a", "org_id": "o"}, {"org_id": "o"}, {"account_id": ""})
    assert [row["account_id"] for row in rows] == ["a", "o", None]


def test_settings_replace_the_identity_order_of_a_source(house, tmp_path):
    order = {"fixed": ("end_user_id", "account_id")}
    rows = stored(house, tmp_path, {"account_id": "a", "end_user_id": "e"}, {"account_id": "a"}, identity_order=order)
    assert [row["account_id"] for row in rows] == ["e", "a"]


def test_records_without_account_are_kept_and_counted(house, tmp_path):
    path = tmp_path / "fixed.x"
    path.touch()
    (report,) = house.ingest(path, source=Fixed({"account_id": "a"}, {}, {}))
    assert (report.rows_out, report.n_without_account) == (3, 2)


def test_rows_without_id_or_usable_time_are_rejected(house, tmp_path):
    path = tmp_path / "fixed.x"
    path.touch()
    bad = [
        {"source_record_id": None}, {"source_record_id": ""}, {"start_time": None},
        {"start_time": datetime(1969, 12, 31, tzinfo=UTC)}, {"start_time": datetime(2200, 1, 1, tzinfo=UTC)},
    ]  # fmt: skip
    (report,) = house.ingest(path, source=Fixed({}, *bad, {"start_time": datetime(1970, 1, 1, tzinfo=UTC)}))
    assert (report.rows_out, report.rejected) == (2, 5)
    rejects = house.rows(INGEST_REJECTS).sort_by("line_no").to_pylist()
    assert [one["line_no"] for one in rejects] == [2, 3, 4, 5, 6]
    assert [one["reason"] for one in rejects] == ["missing_field"] * 3 + ["bad_time"] * 2


def test_status_and_capture_have_defaults(house, tmp_path):
    rows = stored(
        house, tmp_path, {}, {"http_status_code": 429}, {"status": "blocked", "prompt": "x"}, {"status": "strange"}
    )
    assert [row["status"] for row in rows] == ["ok", "error", "blocked", "ok"]
    assert [row["content_capture"] for row in rows] == ["none", "none", "full", "none"]


def test_numbers_that_cannot_be_are_not_reported(house, tmp_path):
    (row,) = stored(
        house,
        tmp_path,
        {
            "input_tokens": -1, "output_tokens": 2**50, "reasoning_output_tokens": 7,
            "request_temperature": float("nan"), "request_top_p": float("inf"),
            "end_time": datetime(2300, 1, 1, tzinfo=UTC),
        },
    )  # fmt: skip
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_output_tokens"]) == (None, None, 7)
    assert row["request_temperature"] is row["request_top_p"] is row["end_time"] is None


def test_the_day_is_the_utc_day_of_the_start(house, tmp_path):
    rows = stored(
        house, tmp_path,
        {"start_time": datetime(2026, 6, 1, 23, 59, 59, 999999, tzinfo=UTC)},
        {"start_time": datetime(2026, 6, 2, tzinfo=UTC)},
    )  # fmt: skip
    assert [row["day"] for row in rows] == [date(2026, 6, 1), date(2026, 6, 2)]
    assert house.lake.snapshot().partitions(EXCHANGE_RECORDS) == ["2026-06-01", "2026-06-02"]


def test_only_rows_with_text_have_a_sketch(house, tmp_path):
    stored(house, tmp_path, {}, {"prompt": "hello"}, {"tool_definitions": "[]"})
    sketches = house.rows(PROMPT_SKETCHES).to_pylist()
    records = {row["record_key"] for row in house.rows(EXCHANGE_RECORDS).to_pylist()}
    assert len(sketches) == 2
    assert {row["record_key"] for row in sketches} < records


def test_no_text_is_stored_unless_the_policy_keeps_it(house, tmp_path):
    (row,) = stored(house, tmp_path, {"prompt": "secret plan", "output": "answer"})
    assert row["input_messages_ref"] is row["output_messages_ref"] is None
    assert house.rows(CONTENTS).num_rows == 0


def test_kept_text_is_stored_once_a_day_under_a_keyed_reference(house, tmp_path):
    texts = {"prompt": "same", "system_instructions": "be brief", "output": "same", "tool_definitions": "[]"}
    next_day = texts | {"start_time": START + timedelta(days=1)}
    rows = stored(house, tmp_path, texts, texts, next_day, keep_contents=True, contents_days=5)
    contents = house.rows(CONTENTS).to_pylist()
    assert len(contents) == 8
    assert {one["day"] for one in contents} == {date(2026, 6, 1), date(2026, 6, 2)}
    by_ref = {(one["content_ref"], one["day"]): one for one in contents}
    assert by_ref[rows[0]["input_messages_ref"], date(2026, 6, 1)]["body"] == "same"
    assert rows[0]["input_messages_ref"] == rows[2]["input_messages_ref"] != rows[0]["output_messages_ref"]
    assert all(one["expires_at"] == NOW + timedelta(days=5) for one in contents)
    stored(house, tmp_path, *[texts | {"source_record_id": "later"}], keep_contents=True)
    assert house.rows(CONTENTS).num_rows == 8


def test_coverage_names_fields_of_the_source_and_our_columns(house, tmp_path):
    rows = [record(n, odd_field=1) for n in range(3)] + [record(3, prompt="x"), b"{"]
    (report,) = house.ingest(write_jsonl(tmp_path / "a.jsonl", rows))
    shares = report.coverage()
    assert shares["odd_field"] == pytest.approx(0.6)
    assert shares["column.account_id"] == 1.0
    assert shares["column.client_address"] == 0.0


def test_the_batch_id_depends_on_source_uri_bytes_and_clock_alone(house, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [record(1)])
    first, again = house.ingest(path)[0], house.ingest(path)[0]
    assert first.ingest_batch_id == again.ingest_batch_id
    house.clock = lambda: NOW + timedelta(seconds=1)
    assert house.ingest(path)[0].ingest_batch_id != first.ingest_batch_id
    house.clock = lambda: NOW
    write_jsonl(path, [record(2)])
    assert house.ingest(path)[0].ingest_batch_id != first.ingest_batch_id


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_files_are_found_and_read(house, tmp_path, suffix, pack):
    body = write_jsonl(tmp_path / "plain", [record(n) for n in range(9)]).read_bytes()
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / f"a.jsonl{suffix}").write_bytes(pack(body))
    assert house.ingest(folder)[0].rows_out == 9


def test_of_a_gzip_file_cut_short_the_good_rows_are_kept(house, tmp_path):
    packed = gzip.compress(
        write_jsonl(tmp_path / "plain", [record(n, prompt=hex(n**9)) for n in range(4000)]).read_bytes()
    )
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    (report,) = house.ingest(path)
    assert report.rows_out > 1000
    assert holds(report)
    reasons = house.rows(INGEST_REJECTS)["reason"].to_pylist()
    assert reasons == ["truncated_stream"]


def test_a_file_of_another_format_is_one_reject_and_stops_nothing(house, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    pq.write_table(pa.table({"other": [1]}), folder / "a.parquet")
    (folder / "b.parquet").write_bytes(b"PAR1 cut")
    write_jsonl(folder / "c.jsonl", [record(1)])
    bad, cut, good = house.ingest(folder)
    assert (bad.records_in, bad.rejected) == (cut.records_in, cut.rejected) == (1, 1)
    assert good.rows_out == 1
    assert house.rows(INGEST_REJECTS)["reason"].to_pylist() == ["unreadable_file"] * 2


def test_parquet_is_read_with_its_types(house, tmp_path):
    table = pa.table({
        "source_record_id": ["r1", "r2"], "account_id": ["a", None], "start_time": pa.array([START, START]),
        "request_model": ["m", "m"], "input_tokens": [1, None], "tool_call_names": [["f", "g"], None],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    assert house.ingest(tmp_path / "a.parquet")[0].rows_out == 2
    first = house.rows(EXCHANGE_RECORDS).sort_by("source_record_id").to_pylist()[0]
    assert (first["input_tokens"], first["tool_call_names"]) == (1, ["f", "g"])


def test_a_large_file_counts_in_parts_and_a_second_run_completes_it(house, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [record(n) for n in range(20_000)])
    settings = Settings(records_per_commit=8000, ahead_days=0)

    class Crash(RuntimeError):
        pass

    def crash(progress: Progress) -> None:
        if progress.records_in > 16_000:
            raise Crash

    with pytest.raises(Crash):
        ingest_paths(
            [path],
            CANONICAL,
            lake=house.lake,
            keys=keys(),
            vault=None,
            settings=settings,
            clock=house.clock,
            progress=crash,
        )
    n_before = house.rows(EXCHANGE_RECORDS).num_rows
    assert 0 < n_before < 20_000
    assert house.rows(INGEST_BATCHES).num_rows == 0
    (report,) = house.ingest(path, settings=settings)
    assert (report.duplicates, report.rows_out) == (n_before, 20_000 - n_before)
    assert pc.count_distinct(house.rows(EXCHANGE_RECORDS)["record_key"]).as_py() == 20_000


def test_progress_ends_at_all_bytes_and_never_goes_back(house, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", [record(n) for n in range(9000)])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()))
    told: list[Progress] = []
    ingest_paths(
        [folder], CANONICAL, lake=house.lake, keys=keys(), vault=None, settings=Settings(), clock=house.clock,
        progress=told.append,
    )  # fmt: skip
    assert [one.bytes_done for one in told] == sorted(one.bytes_done for one in told)
    assert [one.records_in for one in told] == sorted(one.records_in for one in told)
    assert told[-1].bytes_done == told[-1].bytes_total == sum(file.stat().st_size for file in folder.iterdir())
    assert (told[-1].records_in, told[-1].rows_out) == (18_000, 9000)


def test_equal_input_gives_equal_rows_in_two_houses(tmp_path):
    from tests.ingest.conftest import make_house

    path = write_jsonl(
        tmp_path / "a.jsonl", [record(n, prompt="x" * n, client_address=f"192.0.2.{n}") for n in range(40)]
    )
    folders = [tmp_path / name for name in ("one", "two")]
    houses = []
    for folder in folders:
        folder.mkdir()
        houses.append(make_house(folder))
        houses[-1].ingest(path)
    for table in (EXCHANGE_RECORDS, PROMPT_SKETCHES, INGEST_BATCHES):
        assert houses[0].rows(table).equals(houses[1].rows(table))


def test_raw_addresses_are_sealed_only_when_their_class_is_on(house, tmp_path):
    from tests.ingest.conftest import keys as fixed_keys

    from stillwatch.ingest.pseudonyms import Pseudonymiser

    names = Pseudonymiser(fixed_keys().pseudonym_key, sightings=None)
    rows = [{"client_address": "203.0.113.9", "account_id": "me@example.test"}]
    stored(house, tmp_path, *rows, sealed_classes=("address",))
    said = {"actor": "tester", "reason": "test", "at": NOW}
    assert house.vault.open("address", names.of("address", "203.0.113.9"), **said) == "203.0.113.9"
    with pytest.raises(Exception, match="no identity of class email"):
        house.vault.open("email", names.of("email", "me@example.test"), **said)


def test_nothing_that_is_logged_or_stored_holds_a_raw_identity_or_a_secret(house, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    planted = [
        "victim@mail.test", "203.0.113.77", "2001:db8:77::1", "sk-planted-1", "Bearer planted.2", "+15550001111",
        "ghp_" + "p1" * 10, "eyJplanted.eyJ3.sig", "AKIA" + "PLANTED0" * 2,
    ]  # fmt: skip
    rows = []
    for at, value in enumerate(planted):
        texts = dict.fromkeys(
            ["account_id", "org_id", "api_key_id", "end_user_id", "conversation_id", "call_id", "response_id",
             "client_address", "prompt", "output", "system_instructions"], value,
        )  # fmt: skip
        if "planted" in value.lower() or "@" in value or value.startswith("ghp"):
            texts |= dict.fromkeys(["user_agent_original", "error_type", "server_address", "cloud_region"], value)
            texts |= {"source_record_id": f"{at}-{value}", "tool_call_names": [value], "finish_reasons": [value]}
        rows.append(texts | {"attributes": json.dumps({"x": {"y": value}, value: 1})})
    stored(house, tmp_path, *rows)
    columns = house.every_row()
    files = [file for file in (tmp_path / "workspace").rglob("*") if file.is_file()]
    raw = b"".join(file.read_bytes() for file in files) + caplog.text.encode()
    for value in planted:
        assert value not in json.dumps(columns, default=str)
        assert value.encode() not in raw

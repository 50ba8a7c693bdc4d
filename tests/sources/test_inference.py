"""Proposed mappings: names are hints, values decide, and the proposal reads what it was made from."""

import csv
import io
import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import SourceError
from stillwatch.sources import mapped
from stillwatch.sources.inference import Proposal, infer_mapping
from stillwatch.sources.mapping_file import read_mapping, written
from tests.sources.golden import FOLDER
from tests.sources.parsing import parse_bytes, reasons, rows


def call(i: int, **changes: object) -> dict[str, object]:
    return {
        "requestId": f"r-{i}", "ts": 1_776_844_800_000 + i, "customer": {"id": f"c-{i % 3}"}, "model": "m-large",
        "usage": {"promptTokens": 40 + i, "completionTokens": 12}, "remoteAddr": "192.0.2.7", "outcome": "success",
        "body": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Valve {i}?"}]},
        "reply": "Left.", **changes,
    }  # fmt: skip


def lines(tmp_path: Path, *records: object, name: str = "log.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def proposed(tmp_path: Path, *records: object) -> Proposal:
    return infer_mapping(lines(tmp_path, *records), name="house-log")


def paths(proposal: Proposal) -> dict[str, object]:
    return {name: rule.path for name, rule in proposal.mapping.rules().items()}


def test_a_log_with_names_of_its_own_is_read_by_its_proposal(tmp_path: Path) -> None:
    log = lines(tmp_path, *(call(i) for i in range(20)))
    file = tmp_path / "mapping.toml"
    file.write_text(written(infer_mapping(log, name="house-log").mapping), encoding="utf-8")
    chunks = parse_bytes(mapped.load(file), log.read_bytes(), log.name)
    assert not reasons(chunks)
    row = rows(chunks)[4]
    wanted = ("source_record_id", "account_id", "request_model", "input_tokens", "output_tokens", "client_address")
    assert [row[name] for name in wanted] == ["r-4", "c-1", "m-large", 44, 12, "192.0.2.7"]
    assert (row["prompt"], row["system_instructions"], row["output"], row["status"]) == (
        "Valve 4?", "Be brief.", "Left.", "ok",
    )  # fmt: skip


def test_the_three_formats_give_the_same_proposal(tmp_path: Path) -> None:
    records = [{"id": f"r-{i}", "timestamp": "2026-04-22T08:00:00Z", "account": "a", "model": "m"} for i in range(5)]
    as_lines = lines(tmp_path, *records)
    held = io.StringIO()
    writer = csv.DictWriter(held, records[0])
    writer.writeheader()
    writer.writerows(records)
    (tmp_path / "log.csv").write_text(held.getvalue())
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "log.parquet")
    found = [infer_mapping(tmp_path / f"log.{kind}", name="x") for kind in ("csv", "parquet")]
    first = infer_mapping(as_lines, name="x")
    assert all(proposal.mapping.fields == first.mapping.fields for proposal in found)
    assert [proposal.mapping.format for proposal in (first, *found)] == ["jsonl", "csv", "parquet"]


def test_a_name_whose_values_are_of_another_kind_is_not_believed(tmp_path: Path) -> None:
    records = [call(i, ip="unknown", remoteAddr=None, id="same", temperature="warm") for i in range(10)]
    assert paths(proposed(tmp_path, *records)).keys().isdisjoint({"client_address", "request_temperature"})
    assert paths(proposed(tmp_path, *records))["source_record_id"] == "requestId"


def test_without_a_distinct_id_account_and_time_make_one_where_they_are_distinct(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, *(call(i, requestId=None) for i in range(10)))
    assert proposal.mapping.rules()["source_record_id"].join == ("customer.id", "ts")
    assert proposal.missing == ()


def test_what_is_required_and_not_found_is_said_and_left_open(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, *({"model": "m", "answer": f"a {i}"} for i in range(10)))
    assert proposal.missing == ("source_record_id", "start_time")
    assert '# start_time = "..."' in written(proposal.mapping, missing=proposal.missing)


def test_cached_tokens_are_added_only_where_the_log_counts_them_apart(tmp_path: Path) -> None:
    apart = [call(i, usage={"input_tokens": 5, "cache_read_input_tokens": 800, "output_tokens": 1}) for i in range(5)]
    inside = [
        call(i, usage={"input_tokens": 900, "cache_read_input_tokens": 800, "output_tokens": 1}) for i in range(5)
    ]
    assert proposed(tmp_path, *apart).mapping.rules()["input_tokens"].sum
    assert not proposed(tmp_path, *inside).mapping.rules()["input_tokens"].sum


def test_a_word_for_a_status_that_is_not_known_leaves_the_status_out(tmp_path: Path) -> None:
    assert "status" not in paths(proposed(tmp_path, call(1), call(2, outcome="sideways")))


def test_coverage_counts_records_and_unused_paths_are_named(tmp_path: Path) -> None:
    records = [call(i, remoteAddr="192.0.2.7" if i < 3 else None, colour="red") for i in range(12)]
    proposal = proposed(tmp_path, *records)
    assert proposal.coverage["client_address"] == pytest.approx(0.25)
    assert proposal.unused["colour"] == 1.0
    assert "requestId" not in proposal.unused


def test_no_value_and_no_key_that_is_a_value_leaves(tmp_path: Path) -> None:
    records = [call(i, by={"someone@example.test": 1, "sk-not-a-real-key": 2}) for i in range(5)]
    proposal = proposed(tmp_path, *records)
    told = repr((proposal.coverage, proposal.unused, proposal.missing)) + written(proposal.mapping)
    assert not [value for value in ("someone@", "sk-not", "Valve", "192.0.2.7", "c-1") if value in told]


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no record"):
        infer_mapping(lines(tmp_path, name="empty.jsonl"), name="x")


@pytest.mark.parametrize("name", ["mapping.toml", "guardrail.toml", "ext_authz.toml"])
def test_a_written_mapping_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    mapping = read_mapping(FOLDER / "mapped" / name)
    (tmp_path / name).write_text(written(mapping), encoding="utf-8")
    again = read_mapping(tmp_path / name)
    assert again.rules() == mapping.rules()
    assert msgspec.structs.replace(again, fields=mapping.fields) == mapping

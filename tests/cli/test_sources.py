"""`stillwatch sources`: what can be read, and proposals for what cannot be read yet."""

import json

import pytest

from stillwatch.cli.app import main
from stillwatch.pipeline.coverage import LOSSES, losses
from stillwatch.signals.catalog import catalog
from stillwatch.sources.base import RAW_RECORDS


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "calls.jsonl"
    calls = [
        {"id": f"r-{i}", "ts": 1_776_844_800 + i, "account_id": f"a-{i % 2}", "model": "m", "messages": f"Valve {i}?"}
        for i in range(8)
    ]
    path.write_text("\n".join(json.dumps(call) for call in calls))
    return path


def test_every_source_is_listed_with_its_files(capsys):
    assert main(["sources", "list", "--format", "json"]) == 0
    listed = {row["source"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"anthropic", "bedrock", "langfuse", "openai", "otlp"} <= set(listed)
    assert ".parquet" in listed["langfuse"]["files"]


def test_a_proposal_is_read_by_the_next_command(log, tmp_path, capsys):
    mapping, workspace = tmp_path / "mapping.toml", str(tmp_path / "w")
    assert main(["sources", "infer", str(log), "-o", str(mapping)]) == 0
    told = capsys.readouterr().err
    assert "off: client_address: no slices by address, prefix" in told
    assert main(["--workspace", workspace, "init"]) == 0
    capsys.readouterr()
    arguments = ["ingest", str(log), "--source", "mapped", "--mapping", str(mapping), "--format", "json"]
    assert main(["--workspace", workspace, *arguments]) == 0
    report = json.loads(capsys.readouterr().out)[0]
    assert (report["records_in"], report["rows_out"], report["rejected"]) == (8, 8, 0)


def test_the_proposal_as_json_says_what_is_off(log, capsys):
    assert main(["sources", "infer", str(log), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["coverage"]["request_model"] == 1.0
    assert any(line.startswith("output_tokens:") for line in said["off"])


def test_a_file_must_be_named(capsys):
    assert main(["sources", "infer"]) == 2
    assert "name a file" in capsys.readouterr().err


def test_every_loss_names_a_column_and_signals_that_exist():
    assert {loss.column for loss in LOSSES} <= set(RAW_RECORDS.names)
    assert {name for loss in LOSSES for name in loss.signals} <= {signal.name for signal in catalog()}


def test_a_column_that_is_nearly_empty_counts_as_lost():
    full = dict.fromkeys((loss.column for loss in LOSSES), 1.0)
    assert losses(full) == []
    assert [loss.column for loss in losses({**full, "prompt": 0.001})] == ["prompt"]

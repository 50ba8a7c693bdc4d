"""Upgrades of tools: a renamed attribute passes by its alias, an untested version and a lost column are told."""

import json
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from stillwatch.sources.known_tools import tool_field, untested

FOLDER = Path(__file__).parent / "sources" / "otlp"
N_CALLS = 30


@pytest.fixture
def house(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert main(["--workspace", str(tmp_path / "w"), "init"]) == 0
    capsys.readouterr()
    return tmp_path


def export(path: Path, version: str, first: int, names: dict[str, str]) -> Path:
    """One export of model calls by an instrumentation of that version; `names` are its names of attributes."""
    held = {
        "gen_ai.request.model": "m",
        names["tokens"]: 44,
        names["text"]: '[{"role":"user","content":"Which valve?"}]',
    }
    attributes = [
        {"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
        for key, value in {**held, "user.id": "u-1"}.items()
    ]
    spans = [
        {"traceId": f"{n:032x}", "spanId": f"{n:016x}", "startTimeUnixNano": str(1_776_844_800_000_000_000 + n),
         "attributes": attributes}
        for n in range(first, first + N_CALLS)
    ]  # fmt: skip
    scope = {"name": "opentelemetry.instrumentation.genai.openai", "version": version}
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": spans}]}]}))
    return path


def ingest(house: Path, path: Path, capsys) -> tuple[dict[str, float], str]:
    assert main(["--workspace", str(house / "w"), "ingest", str(path), "--source", "otlp", "--format", "json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out)[0]["field_coverage"], said.err


OLD = {"tokens": "gen_ai.usage.prompt_tokens", "text": "gen_ai.input.messages"}
RENAMED = {"tokens": "gen_ai.usage.input_tokens", "text": "gen_ai.input.messages"}
STRANGE = {"tokens": "gen_ai.usage.tokens_of_input", "text": "gen_ai.request.conversation"}


def test_a_renamed_attribute_passes_by_its_alias_and_nothing_is_said(house, capsys):
    ingest(house, export(house / "a.otlp.json", "1.3b0", 1, OLD), capsys)
    coverage, said = ingest(house, export(house / "b.otlp.json", "1.3.1", 100, RENAMED), capsys)
    assert coverage["column.input_tokens"] == coverage["column.prompt"] == 1.0
    assert "warning" not in said


def test_an_unknown_version_warns_and_shows_what_fell_and_what_is_off(house, capsys):
    ingest(house, export(house / "a.otlp.json", "1.3b0", 1, OLD), capsys)
    coverage, said = ingest(house, export(house / "b.otlp.json", "9.0", 100, STRANGE), capsys)
    assert coverage["column.input_tokens"] == coverage["column.prompt"] == 0.0
    told = " ".join(said.split())
    assert "opentelemetry.instrumentation.genai.openai 9.0 is a version that was not tested" in told
    assert "input_tokens fell from 100% to 0% of the rows" in told
    assert "no slices by skeleton, shingle; signals off: cell_homogeneity" in told


def test_the_first_batch_of_a_source_has_nothing_to_fall_from(house, capsys):
    _, said = ingest(house, export(house / "a.otlp.json", "1.3b0", 1, STRANGE), capsys)
    assert "warning" not in said


def test_other_sources_are_not_compared_with(house, capsys):
    path = house / "calls.jsonl"
    calls = [{"source_record_id": f"r{n}", "account_id": "a", "start_time": "2026-04-22", "request_model": "m"}
             for n in range(N_CALLS)]  # fmt: skip
    path.write_text("\n".join(json.dumps(call) for call in calls))
    ingest(house, export(house / "a.otlp.json", "1.3b0", 1, OLD), capsys)
    assert main(["--workspace", str(house / "w"), "ingest", str(path)]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "version", "field"),
    [
        ("langfuse-sdk", "5.0.4", "$tool langfuse-sdk 5.0.4"),
        ("someone@example.test", "1", None),
        ("a", "1 2", None),
        ("", "1", None),
        (7, "1", None),
    ],
)
def test_a_tool_is_counted_by_plain_words_only(name, version, field):
    assert tool_field(name, version) == field


def test_only_tools_that_are_known_can_be_of_an_untested_version():
    assert untested("$tool langfuse-sdk 6.0")
    assert not untested("$tool langfuse-sdk 5.9.1")
    assert not untested("$tool house-sdk 6.0")
    assert not untested("langfuse-sdk 6.0")

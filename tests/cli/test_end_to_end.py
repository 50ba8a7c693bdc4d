"""The command line from an empty folder to a report, on a small week."""

import csv
import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.cli.app import main
from tests.small_world import cut, small_world

__all__ = ["small_world"]

BATCH_KEYS = {"source", "uri", "records_in", "rows_out", "duplicates", "rejected", "field_coverage"}
CAMPAIGN_KEYS = {
    "campaign_id", "tier", "n_accounts", "n_exchanges", "input_tokens", "output_tokens", "first_seen_at",
    "last_seen_at", "capabilities", "signals", "nearest_lookalike", "margin", "q_value", "calibration",
}  # fmt: skip
ACCOUNT_KEYS = {
    "account_id", "tier", "campaign_id", "score", "p_value", "q_value", "first_flagged_at", "reasons",
}  # fmt: skip
HOSTILE = "<script>alert(1)</script>"
N_DAYS = 7


def with_a_hostile_member(world: Path, folder: Path) -> Path:
    """The world's exchanges with one campaign account, first in any order of ids, renamed to markup."""
    truth = pq.read_table(world / "truth.parquet")
    renamed = truth.filter(truth["is_campaign"])["account_id"][0].as_py()

    def rename(rows: pa.Table) -> pa.Table:
        ids = pc.if_else(pc.equal(rows["account_id"], renamed), HOSTILE, rows["account_id"])
        return rows.set_column(rows.column_names.index("account_id"), "account_id", ids)

    return cut(world, folder, rename)


@pytest.fixture(scope="module")
def ran(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which init, ingest (twice), ingest accounts and detect have been run, with what they printed."""
    folder = tmp_path_factory.mktemp("ran")
    exchanges = with_a_hostile_member(small_world, folder / "exchanges")
    with pytest.MonkeyPatch.context() as patch:
        settle(patch, folder)
        assert main(["init"]) == 0
        for number in (1, 2):
            assert main(["ingest", str(exchanges), "--format", "json", "-o", f"batches-{number}.json"]) == 0
        accounts = str(small_world / "accounts.parquet")
        assert main(["ingest", "accounts", accounts, "--format", "json", "-o", "accounts.json"]) == 0
        found = main(["detect", "--window", "7d", "--fail-on", "review", "--format", "json", "-o", "detect.json"])
        (folder / "exit-code").write_text(str(found))
    return folder


def settle(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Work in `folder` with keys and settings of its own."""
    patch.chdir(folder)
    patch.setenv("STILLWATCH_KEYS", str(folder / "keys.json"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "configuration"))
    patch.setenv("STILLWATCH_WORKSPACE", str(folder / "workspace"))
    patch.setenv("STILLWATCH_DETECT__ALPHA", "0.005")
    patch.setenv("STILLWATCH_ENGINES__MEMORY_LIMIT", "1GB")


@pytest.fixture
def inside(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle(monkeypatch, ran)
    return ran


def test_ingest_prints_one_object_for_each_batch(ran: Path) -> None:
    batches = json.loads((ran / "batches-1.json").read_text())
    assert len(batches) == N_DAYS
    for batch in batches:
        assert set(batch) >= BATCH_KEYS
        assert batch["records_in"] == batch["rows_out"] + batch["duplicates"] + batch["rejected"]
        assert batch["rows_out"] == batch["records_in"] > 0
        assert batch["field_coverage"]["prompt"] == 1.0
    assert json.loads((ran / "accounts.json").read_text())[0]["rows_out"] > 0


def test_the_second_ingest_of_the_same_files_stores_nothing(ran: Path) -> None:
    first, second = (json.loads((ran / f"batches-{number}.json").read_text()) for number in (1, 2))
    assert [batch["duplicates"] for batch in second] == [batch["records_in"] for batch in first]
    assert {batch["rows_out"] for batch in second} == {0}


def test_fail_on_exits_with_one_when_a_campaign_was_found(ran: Path) -> None:
    assert (ran / "exit-code").read_text() == "1"
    assert json.loads((ran / "detect.json").read_text())


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "parquet"])
def test_campaigns_have_the_keys_of_the_contract_in_every_format(inside: Path, format: str) -> None:
    output = inside / f"campaigns.{format}"
    assert main(["campaigns", "--format", format, "-o", str(output)]) == 0
    rows = {
        "json": lambda: json.loads(output.read_text()),
        "jsonl": lambda: [json.loads(line) for line in output.read_text().splitlines()],
        "csv": lambda: list(csv.DictReader(io.StringIO(output.read_text()))),
        "parquet": lambda: pq.read_table(output).to_pylist(),
    }[format]()
    detected = json.loads((inside / "detect.json").read_text())
    assert [row["campaign_id"] for row in rows] == [row["campaign_id"] for row in detected]
    assert all(set(row) >= CAMPAIGN_KEYS for row in rows)


def test_accounts_as_parquet_hold_every_account_once(inside: Path) -> None:
    assert main(["accounts", "--format", "parquet", "-o", "all.parquet"]) == 0
    rows = pq.read_table("all.parquet")
    assert set(rows.column_names) >= ACCOUNT_KEYS
    assert len(set(rows["account_id"].to_pylist())) == rows.num_rows > 0
    assert HOSTILE in rows["account_id"].to_pylist()


def test_show_and_explain_print_the_evidence(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign_id = json.loads((inside / "detect.json").read_text())[0]["campaign_id"]
    assert main(["show", campaign_id, "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["campaign_id"] == campaign_id
    member = shown["members"][0]["account_id"]
    assert main(["explain", member, "--format", "json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["account_id"] == member
    assert explained["campaign"]["campaign_id"] == explained["finding"]["campaign_id"]
    assert main(["explain", "nobody"]) == 0
    assert "nothing was found" in " ".join(capsys.readouterr().err.split())


def test_a_campaign_that_is_not_there_is_a_usage_error(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "c-nowhere"]) == 2
    assert "c-nowhere" in capsys.readouterr().err


def test_the_report_loads_nothing_and_runs_nothing_of_the_telemetry(inside: Path) -> None:
    assert main(["report", "-o", "report.html"]) == 0
    page = Path("report.html").read_text(encoding="utf-8")
    campaign_id = json.loads((inside / "detect.json").read_text())[0]["campaign_id"]
    assert campaign_id in page
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?\s*(https?:)?//|@import|url\(\s*["']?https?:""", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page.lower()


def test_schema_config_and_doctor_answer(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "campaigns", "--format", "json"]) == 0
    assert {row["column"] for row in json.loads(capsys.readouterr().out)} >= CAMPAIGN_KEYS
    assert main(["config", "show", "--origin"]) == 0
    [alpha] = [line for line in capsys.readouterr().out.splitlines() if "detect.alpha" in line]
    assert "0.005" in alpha
    assert "environment" in alpha
    assert main(["doctor", "--format", "json"]) == 0
    assert "fail" not in {row["state"] for row in json.loads(capsys.readouterr().out)}

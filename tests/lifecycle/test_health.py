"""What doctor says of a workspace: one fault planted at a time, and the command that mends it."""

import json
import shutil
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.cli.app import main
from stillwatch.model.tables import CALIBRATIONS, DETECTION_RUNS, INGEST_BATCHES
from stillwatch.pipeline import health
from stillwatch.pipeline.health import CALIBRATION_DAYS, Check, examine
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.python_api import Stillwatch
from stillwatch.store.keys import Keys
from tests.lifecycle.test_retain import config
from tests.lifecycle.world import CLOCK, OTHERS, made, opened

LAST_DAY = datetime(2026, 4, 23, tzinfo=UTC)
ARCHIVE = Path(__file__).parents[1] / "fixtures" / "workspace-1.tar.gz"


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.getbasetemp() / "lifecycle-healthy", OTHERS[:2])


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "kept"))


def checks(watch: Stillwatch, at: datetime = CLOCK) -> dict[str, Check]:
    return {check.name: check for check in examine(watch.workspace, watch.config, clock=lambda: at)}


def said(folder: Path, at: datetime = CLOCK, **how: Any) -> dict[str, Check]:
    with opened(folder, **how) as watch:
        return checks(watch, at)


def keeper(watch: Stillwatch) -> Custodian:
    return Custodian(watch.workspace, watch.config, clock=lambda: CLOCK)


def test_a_workspace_without_faults_has_no_warning_once_it_is_backed_up(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as watch:
        found = checks(watch)
        assert (found["backup"].state, found["backup"].fix) == ("warn", "stillwatch backup PATH")
        keeper(watch).back_up(tmp_path / "backup.tar", release="0")
        assert {check.state for check in checks(watch).values()} == {"ok"}
        late = checks(watch, CLOCK + timedelta(days=7))
        assert (late["backup"].state, late["backup"].detail) == ("warn", "the last one is of 2026-05-10")


def test_an_earlier_layout_fails_with_the_command_that_migrates_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / "keys.json"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["doctor", "--format", "json"]) == 5
    [found] = [row for row in json.loads(capsys.readouterr().out) if row["check"] == "schema"]
    assert (found["state"], found["fix"]) == ("fail", "stillwatch backup; stillwatch migrate")
    assert main(["migrate", "--dry-run", "--format", "json"]) == 0
    assert [(row["part"], row["from"], row["to"]) for row in json.loads(capsys.readouterr().out)] == [
        ("state", 1, 2),
        ("lake", 1, 2),
    ]
    assert main(["migrate"]) == 0
    capsys.readouterr()
    assert main(["doctor", "--format", "json"]) == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out) if row["check"] == "schema"} == {"ok"}
    assert main(["migrate", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_keys_inside_of_the_workspace_of_another_day_or_half_rotated_fail(folder: Path) -> None:
    assert said(folder)["keys"].state == "ok"
    keys = Keys.load(folder / "keys.json")
    keys.prepared().save(folder / "keys.json")
    found = said(folder)["keys"]
    assert (found.state, found.fix) == ("fail", 'stillwatch keys rotate --reason "finish"')
    keys.prepared().promoted().save(folder / "keys.json")
    assert "rows are under k1" in said(folder)["keys"].detail
    keys.save(folder / "workspace" / "keys.json")
    from stillwatch.config import Config
    from stillwatch.store.workspace import Workspace

    with Workspace.open(
        folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "workspace" / "keys.json")}
    ) as inside:
        found = {check.name: check for check in examine(inside, Config(), clock=lambda: CLOCK)}["keys"]
    assert (found.state, "lies in the workspace" in found.detail) == ("fail", True)


def batch(
    number: int, version: str, coverage: dict[str, float], source: str = "litellm", n: int = 1000
) -> dict[str, Any]:
    at = CLOCK + timedelta(hours=number)
    return {
        "ingest_batch_id": f"b{number}", "source": source, "uri": "x", "digest": "x", "source_version": version,
        "started_at": at, "finished_at": at, "records_in": n, "rows_out": n, "duplicates": 0, "rejected": 0,
        "field_coverage": json.dumps(coverage),
    }  # fmt: skip


def batches(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=INGEST_BATCHES.schema)


def test_a_column_that_an_upgrade_of_the_tool_emptied_is_told_with_what_is_off(folder: Path) -> None:
    before, after = (
        {"column.client_address": 1.0, "column.status": 1.0},
        {"column.client_address": 0.1, "column.status": 1},
    )
    with opened(folder) as watch:
        assert checks(watch)["coverage"].state == "ok"
        with watch.workspace.lake.write() as writer:
            writer.append(INGEST_BATCHES, batches(batch(0, "1", before), batch(1, "2", before), batch(2, "3", after)))
            writer.commit()
        found = checks(watch)["coverage"]
    assert found.state == "warn"
    assert "litellm: client_address fell from 100% to 10%" in found.detail
    assert "no slices by address, prefix" in found.detail


def test_a_column_that_a_servers_small_batches_lost_is_told_of_all_of_them_together(folder: Path) -> None:
    before, after = {"column.client_address": 1.0}, {"column.client_address": 0.0}
    small = [batch(number, "1", before if number < 9 else after, source="otlp", n=8) for number in range(12)]
    with opened(folder) as watch:
        with watch.workspace.lake.write() as writer:
            writer.append(INGEST_BATCHES, batches(*small))
            writer.commit()
        found = checks(watch)["coverage"]
    assert found.state == "warn"
    assert "otlp: client_address fell from 100% to 0%" in found.detail


def test_a_hold_and_a_legal_basis_that_end_soon_are_told(folder: Path) -> None:
    with opened(folder) as watch:
        keeper(watch).hold(
            "case-7", accounts=[OTHERS[0]], reason="litigation", placed_by="ana", approver="ben",
            expires_at=CLOCK + timedelta(days=40),
        )  # fmt: skip
        assert checks(watch)["holds"].state == "ok"
        found = checks(watch, CLOCK + timedelta(days=11))["holds"]
        assert (found.state, found.detail) == ("warn", "1 in force over 1 accounts; ending: case-7 on 2026-06-19")
        assert checks(watch, datetime(2026, 9, 15, tzinfo=UTC))["sharing"].state == "warn"


def test_rows_past_their_time_records_of_the_future_and_an_old_spool_are_told(folder: Path) -> None:
    overdue = said(folder, config=config({"exchange_records": 1}))["retention"]
    assert (overdue.state, overdue.fix) == ("warn", "stillwatch prune apply")
    assert "exchange_records 16" in overdue.detail
    early = said(folder, datetime(2026, 4, 20, tzinfo=UTC))["clocks"]
    assert early.state == "warn"
    assert "up to 2026-04-23" in early.detail
    spool = folder / "workspace" / "spool"
    spool.mkdir()
    (spool / "1.pb").write_bytes(b"x")
    assert said(folder)["spool"].state == "ok"
    assert said(folder, datetime.now(UTC) + timedelta(hours=2))["spool"].state == "warn"


def test_a_run_whose_population_lies_elsewhere_asks_for_a_calibration(folder: Path) -> None:
    row = {
        "run_id": "r1", "as_of": CLOCK, "known_at": None, "window_start": CLOCK, "by": "account", "engine": "duckdb",
        "alpha": 1e-4, "calibration_id": "c", "n_accounts": 1, "n_exchanges": 1, "n_groups": 1,
        "notes": ["groups here lie elsewhere than those of the calibration in 3 signals by family"],
    }  # fmt: skip
    with opened(folder) as watch:
        assert checks(watch)["calibration"].state == "ok"
        with watch.workspace.lake.write() as writer:
            writer.append(DETECTION_RUNS, pa.Table.from_pylist([row], schema=DETECTION_RUNS.schema))
            writer.commit()
        found = checks(watch)["calibration"]
    assert (found.state, found.fix) == ("warn", "stillwatch calibrate")


def test_a_calibration_that_was_fitted_long_before_the_traffic_asks_for_another(folder: Path) -> None:
    row = {"calibration_id": "mine", "kind": "fitted", "body": "{}"}
    with opened(folder) as watch:
        for age, state in ((CALIBRATION_DAYS, "ok"), (CALIBRATION_DAYS + 1, "warn")):
            fitted = row | {"created_at": LAST_DAY - timedelta(days=age)}
            with watch.workspace.lake.write() as writer:
                writer.replace(CALIBRATIONS, "", pa.Table.from_pylist([fitted], schema=CALIBRATIONS.schema))
                writer.commit()
            assert checks(watch)["calibration"].state == state
        assert checks(watch)["calibration"].detail == "fitted mine is 91 days older than the traffic"


def test_a_disk_that_is_nearly_full_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(folder)["disk"].state == "ok"
    monkeypatch.setattr(health, "disk_usage", lambda path: SimpleNamespace(free=(health.FREE_GIB - 1) * 2**30))
    found = said(folder)["disk"]
    assert (found.state, found.detail) == ("warn", "4 GiB free below the workspace")


def test_one_check_that_cannot_be_made_stops_no_other(folder: Path) -> None:
    (folder / "keys.json").unlink()
    found = said(folder)
    assert found["keys"].state == "fail"
    assert found["coverage"].state == "ok"

"""`ingest --watch`: each file once, over restarts, moves, growth and kills."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.cli.app import main
from stillwatch.config import Config
from stillwatch.errors import UsageError
from stillwatch.model.tables import EXCHANGE_RECORDS, INGEST_BATCHES
from stillwatch.pipeline.pull import COPIES, Pull
from stillwatch.sources import source
from stillwatch.store.places import RemotePlace
from stillwatch.store.workspace import Workspace

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
OLD = NOW - timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Workspace.init(tmp_path / "w").close()
    with Workspace.open(tmp_path / "w") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "logs"
    made.mkdir()
    return made


def write(path: Path, numbers, *, at: datetime = OLD) -> Path:
    lines = [
        json.dumps({
            "source_record_id": f"r-{n}", "account_id": "a", "start_time": "2026-06-01T10:00:00Z", "request_model": "m",
        })
        for n in numbers
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def pull(workspace: Workspace, *places: object, clock=lambda: NOW):
    named = [str(place) for place in places]
    return Pull(named, source("canonical"), workspace=workspace, config=Config(), clock=clock)


def counts(reports):
    return [(Path(report.uri).name, report.rows_out, report.duplicates) for report in reports]


def n_records(workspace: Workspace) -> int:
    files = workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    return sum(pq.read_metadata(file).num_rows for file in files)


def test_a_second_round_takes_only_what_is_new(workspace, folder):
    write(folder / "a.jsonl", range(3))
    assert counts(pull(workspace, folder).round()) == [("a.jsonl", 3, 0)]
    write(folder / "b.jsonl", range(3, 5))
    assert counts(pull(workspace, folder).round()) == [("b.jsonl", 2, 0)]
    assert counts(pull(workspace, folder).round()) == []


def test_a_file_that_moved_or_was_touched_is_not_taken_again(workspace, folder):
    path = write(folder / "a.jsonl", range(3))
    list(pull(workspace, folder).round())
    path.rename(folder / "moved.jsonl")
    os.utime(folder / "moved.jsonl", (OLD.timestamp() + 60,) * 2)
    assert counts(pull(workspace, folder).round()) == []
    assert n_records(workspace) == 3


def test_a_file_that_grew_adds_only_its_new_records(workspace, folder):
    write(folder / "a.jsonl", range(3))
    list(pull(workspace, folder).round())
    write(folder / "a.jsonl", range(5), at=OLD + timedelta(minutes=1))
    assert counts(pull(workspace, folder).round()) == [("a.jsonl", 2, 3)]


def test_a_file_that_may_still_be_written_waits(workspace, folder):
    write(folder / "a.jsonl", range(3), at=NOW - timedelta(seconds=1))
    assert counts(pull(workspace, folder).round()) == []
    later = pull(workspace, folder, clock=lambda: NOW + timedelta(minutes=1))
    assert counts(later.round()) == [("a.jsonl", 3, 0)]


def test_an_object_store_is_read_by_url_and_leaves_no_copy(workspace, folder):
    (folder / "deep").mkdir()
    write(folder / "deep" / "a.jsonl", range(3), at=NOW)
    (report,) = pull(workspace, f"file://{folder}").round()
    assert report.uri == f"file://{folder}/deep/a.jsonl"
    assert (report.rows_out, list(workspace.path.glob(f"{COPIES}*"))) == (3, [])
    assert counts(pull(workspace, f"file://{folder}").round()) == []


def test_an_object_that_cannot_be_read_is_left_for_the_next_round(workspace, folder, monkeypatch, caplog):
    write(folder / "a.jsonl", range(3))
    listing = RemotePlace.listing

    def with_ghost(place, suffixes):
        found = listing(place, suffixes)
        return [type(found[0])(f"file://{folder}/gone.jsonl", 1, OLD), *found]

    monkeypatch.setattr(RemotePlace, "listing", with_ghost)
    assert counts(pull(workspace, f"file://{folder}").round()) == [("a.jsonl", 3, 0)]
    assert "left for the next round" in caplog.text


def test_copies_of_a_killed_process_are_removed(workspace, folder):
    left = workspace.path / f"{COPIES}999999999"
    left.mkdir()
    (left / "a.jsonl").write_text("prompts")
    list(pull(workspace, folder).round())
    assert not left.exists()


def test_a_round_stops_between_files_and_the_next_goes_on(workspace, folder):
    for name in ("a", "b", "c"):
        write(folder / f"{name}.jsonl", [name])
    told = iter((False, True))
    assert counts(pull(workspace, folder).round(is_over=lambda: next(told))) == [("a.jsonl", 1, 0)]
    assert counts(pull(workspace, folder).round()) == [("b.jsonl", 1, 0), ("c.jsonl", 1, 0)]


def test_every_batch_is_in_the_ledger(workspace, folder):
    write(folder / "a.jsonl", range(3))
    (report,) = pull(workspace, folder).round()
    assert workspace.journal.recorded("ingest.batch", "ingest_batch_id") == {report.ingest_batch_id}


def test_a_folder_that_does_not_exist_is_a_usage_error(workspace, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        list(pull(workspace, tmp_path / "nowhere").round())


def test_a_url_of_no_file_system_is_a_usage_error(workspace):
    with pytest.raises(UsageError, match="no file system"):
        pull(workspace, "gopher://x/y")


def test_one_look_from_the_command_line_takes_each_file_once(workspace, folder, capsys):
    write(folder / "a.jsonl", range(3))
    arguments = ["--workspace", str(workspace.path), "ingest", str(folder), "--watch", "--once", "--format", "json"]
    found = []
    for _ in range(2):
        assert main(arguments) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert ([report["rows_out"] for report in found[0]], found[1]) == ([3], [])


def test_a_watching_process_that_is_killed_goes_on_where_it_was(workspace, folder):
    for n in range(12):
        write(folder / f"{n:02d}.jsonl", [n])
    command = [
        sys.executable, "-c", "from stillwatch.cli.app import script; script()", "--workspace", str(workspace.path),
        "ingest", str(folder), "--watch", "--every", "1s",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 60
        while not workspace.lake.snapshot().files(INGEST_BATCHES) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    taken = n_records(workspace)
    list(pull(workspace, folder).round())
    assert taken >= 1
    assert n_records(workspace) == 12

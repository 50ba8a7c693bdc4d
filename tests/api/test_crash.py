"""kill -9 while spans come in: what was acknowledged is there, once."""

import os
import signal
import socket
import threading
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from stillwatch.api import drain as draining
from stillwatch.api.drain import drain
from stillwatch.config import Config
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.python_api import Stillwatch
from stillwatch.store.spool import Settings, Spool
from stillwatch.store.workspace import Workspace
from tests.api.served import as_protobuf, make_keys, spans, start_process

PER_REQUEST = 5
SENDERS = 3


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Load:
    """Senders that post spans until the server is gone, and remember which were acknowledged."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"x-stillwatch-key": key, "content-type": "application/x-protobuf"}
        self._lock = threading.Lock()
        self._next = 0
        self.acknowledged: set[str] = set()

    def run(self, enough: int) -> threading.Event:
        """Start the senders; the event is set when `enough` more requests were acknowledged."""
        reached = threading.Event()
        left = [enough]
        self._threads = [threading.Thread(target=self._send, args=(reached, left)) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        return reached

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, reached: threading.Event, left: list[int]) -> None:
        with httpx.Client(timeout=20) as client:
            while True:
                with self._lock:
                    ids = range(self._next, self._next + PER_REQUEST)
                    self._next += PER_REQUEST
                try:
                    answer = client.post(self._url, content=as_protobuf(spans(*ids)), headers=self._headers)
                except httpx.TransportError:
                    return
                assert answer.status_code in {200, 429}
                if answer.status_code == 200:
                    with self._lock:
                        self.acknowledged |= {f"acct-{number}" for number in ids}
                        left[0] -= 1
                        if left[0] <= 0:
                            reached.set()


def stored(workspace: Workspace) -> list[str]:
    files = workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    return [name for file in files for name in pq.read_table(file, partitioning=None)["account_id"].to_pylist()]


def kill_under_load(folder: Path, n_kills: int) -> tuple[Workspace, set[str]]:
    """A workspace whose server was killed `n_kills` times under load, and what it had acknowledged."""
    environ = {
        "STILLWATCH_KEYS": str(folder / "keys.json"), "STILLWATCH_SERVE__DRAIN_SECONDS": "0.05",
        "STILLWATCH_SERVE__SPOOL": "{seal_seconds = 0.1, free_bytes = 0}",
    }  # fmt: skip
    workspace = Workspace.init(folder / "workspace", environ=environ)
    port = free_port()
    load = Load(f"http://127.0.0.1:{port}/v1/traces", make_keys(workspace)[Role.INGEST])
    for kill in range(n_kills):
        process = start_process(workspace.path, port, environ)
        reached = load.run(enough=3 + 7 * (kill % 5))
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        load.join()
    return workspace, load.acknowledged


@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_every_acknowledged_span_is_there_once_after_kills_under_load(tmp_path: Path, n_kills: int) -> None:
    workspace, acknowledged = kill_under_load(tmp_path, n_kills)
    Spool(workspace.path / "spool", Settings(free_bytes=0)).close()
    with Stillwatch(workspace, Config()) as watch:
        while any(done.fault for done in drain(watch, workspace.path / "spool")):
            pass
    found = stored(workspace)
    assert len(found) == len(set(found)), "a span is there twice"
    assert acknowledged <= set(found), "an acknowledged span is lost"
    assert len(acknowledged) >= 3 * n_kills * PER_REQUEST


def test_a_torn_end_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "k.json")}) as workspace:
        folder = workspace.path / "spool"
        folder.mkdir()
        whole, torn = as_protobuf(spans(1, 2)), as_protobuf(spans(3, 4))[:-30]
        (folder / "00000000000000000001-000001.pb.open").write_bytes(whole + torn)
        (folder / "00000000000000000002-000001.otlp.jsonl.open").write_bytes(b'{"resourceSpans":[{"sc')
        Spool(folder, Settings(free_bytes=0)).close()
        watch = Stillwatch(workspace, Config())
        done = list(drain(watch, folder))
        assert [outcome.fault for outcome in done] == [None, None]
        assert {"acct-1", "acct-2"} <= set(stored(workspace))
        assert sum(outcome.rejected for outcome in done) >= 1
        assert not [path for path in folder.iterdir() if not path.name.startswith(".")]


def test_a_drain_that_dies_between_commit_and_delete_changes_nothing(tmp_path: Path) -> None:
    with Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "k.json")}) as workspace:
        folder = workspace.path / "spool"
        folder.mkdir()
        file = folder / "00000000000000000001-000001.pb"
        file.write_bytes(as_protobuf(spans(1, 2)))
        watch = Stillwatch(workspace, Config())
        watch.ingest([file], source="otlp")
        (again,) = drain(watch, folder)
        assert (again.rows_out, again.duplicates) == (0, 2)
        assert sorted(stored(workspace)) == ["acct-1", "acct-2"]


def test_a_drain_that_is_behind_leaves_few_segments_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reads the day meanwhile opens every segment at once."""
    monkeypatch.setattr(draining, "MOST_FILES", 10)
    with Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "k.json")}) as workspace:
        folder = workspace.path / "spool"
        folder.mkdir()
        for number in range(21):
            (folder / f"{number:020d}-000001.pb").write_bytes(as_protobuf(spans(number)))
        seen = []
        for _ in drain(Stillwatch(workspace, Config()), folder):
            snapshot = workspace.lake.snapshot()
            (day,) = snapshot.partitions(EXCHANGE_RECORDS)
            seen.append(len(snapshot.segments(EXCHANGE_RECORDS, day)))
        assert len(set(stored(workspace))) == 21
    assert seen[-1] < 10
    assert max(seen) <= 11

"""Pull from and push to medallion, the reference server, in an environment of its own."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stillwatch.errors import ExternalServiceError
from stillwatch.guard.channel import Peer
from stillwatch.pipeline.sharing import Asked
from stillwatch.store.workspace import Workspace
from tests.sharing.others import python
from tests.sharing.worlds import CAMPAIGN, NETWORK, sharing

OPEN = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
MEDIA = "application/taxii+json;version=2.1"
PATIENCE_SECONDS = 60.0


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[Peer]:
    program = python()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    collection = {
        "id": OPEN, "title": "Open", "can_read": True, "can_write": True, "media_types": [MEDIA],
        "objects": [], "manifest": [], "responses": [],
    }  # fmt: skip
    information = {"title": "exchange", "versions": [MEDIA], "max_content_length": 9_765_625}
    discovery = {"title": "medallion", "api_roots": [f"http://127.0.0.1:{port}/exchange/"]}
    data = {
        "/discovery": discovery,
        "exchange": {"information": information, "status": [], "collections": [collection]},
    }
    (tmp_path / "data.json").write_text(json.dumps(data))
    backend = {
        "module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
        "filename": str(tmp_path / "data.json"),
    }  # fmt: skip
    config = {"users": {"lab": "pass"}, "taxii": {"max_page_size": 9}, "backend": backend}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [program, "-m", "medallion.scripts.run", "--port", str(port), str(tmp_path / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        peer = Peer(f"http://127.0.0.1:{port}/exchange", "lab:pass")
        try:
            _wait_for(peer)
            yield peer
        finally:
            server.kill()


def _wait_for(peer: Peer) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            peer.get((), MEDIA, {})
        except ExternalServiceError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("medallion did not start")


def test_a_campaign_goes_to_medallion_and_comes_back_page_by_page(opened: Workspace, medallion: Peer) -> None:
    share = sharing(opened)
    counts = share.push(CAMPAIGN, medallion, OPEN, Asked("lab-b", with_definitions=False))
    assert counts["success"] > 20
    assert counts["failure"] == 0
    pulled = share.pull(medallion, "medallion", OPEN)
    assert pulled.n_objects == counts["success"]
    assert pulled.n_pages > 1
    rows = share.inbox.indicators(datetime(2026, 5, 20, tzinfo=UTC)).to_pylist()
    assert ("asn", str(NETWORK)) in {(row["kind"], row["value"]) for row in rows}

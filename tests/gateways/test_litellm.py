"""A real LiteLLM proxy asks a real server before each call, and sends it each call."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.response import Contents
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, make_keys, serving, settings, start_process, wait_until
from tests.api.test_gateways import ALL, GATEWAY, NOW, publish
from tests.gateways.envoy import CALL, free_port
from tests.gateways.litellm_proxy import Proxy, litellm

TOOLS = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}}}]


@contextmanager
def published(folder: Path) -> Iterator[Workspace]:
    with Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")}) as made:
        publish(made, Contents(decisions=ALL), at=NOW - timedelta(minutes=1))
        yield made


@pytest.fixture(scope="module", params=["litellm_stillwatch.logger", "[otel]"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Served]]:
    """A proxy that sends its calls by our logger or by its own OpenTelemetry callback, and the server behind it."""
    folder = tmp_path_factory.mktemp("proxy")
    with published(folder) as workspace, serving(workspace, settings(gateway=GATEWAY)) as served:
        port = int(served.url.rpartition(":")[2])
        key = served.keys[Role.INGEST]
        with litellm(folder / "p", stillwatch=port, key=key, callback=request.param) as proxy:
            yield proxy, served


def stored(served: Served) -> list[dict[str, object]]:
    files = served.workspace.lake.snapshot().files(EXCHANGE_RECORDS)
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def test_calls_pass_or_are_stopped_and_each_one_that_ran_is_in_the_lake(both: tuple[Proxy, Served]) -> None:
    proxy, served = both
    passed = proxy.ask("good")
    forged = proxy.ask("good", **{"x-account": "bad", "x-stillwatch-account": "bad", "x-forwarded-for": "203.0.113.9"})
    stopped = proxy.ask("bad", **{"x-account": "good", "x-stillwatch-account": "good", "x-ja4": "t13d1516h2_forged"})
    assert passed.json()["choices"][0]["message"]["content"] == "an answer"
    assert (passed.status_code, forged.status_code, stopped.status_code) == (200, 200, 400)
    assert "this account is suspended (reference d-1)" in stopped.text
    assert "c-1" not in stopped.text
    with_tools = proxy.ask("good", {**CALL, "tools": TOOLS})
    assert with_tools.status_code == 200
    streamed = proxy.ask("good", {**CALL, "stream": True})
    assert streamed.text.rstrip().endswith("data: [DONE]")
    ids = {answer.json()["id"] for answer in (passed, forged, with_tools)}
    wait_until(lambda: ids <= {row["response_id"] for row in stored(served)})
    rows = [row for row in stored(served) if row["response_id"] in ids]
    assert len(rows) == 3, "a call is there twice"
    assert all(row["input_tokens"] for row in rows)


@pytest.mark.parametrize(("fallback", "status"), [("fail_open", 200), ("fail_closed", 500)])
def test_when_the_server_is_killed_the_door_stays_open_or_closes_as_configured(
    fallback: str, status: int, tmp_path: Path
) -> None:
    with published(tmp_path) as workspace:
        port, key = free_port(), make_keys(workspace)[Role.INGEST]
        environ = {"STILLWATCH_KEYS": workspace.environ["STILLWATCH_KEYS"]}
        process = start_process(workspace.path, port, environ)
        try:
            with litellm(
                tmp_path / "p", stillwatch=port, key=key, callback="litellm_stillwatch.logger", fallback=fallback
            ) as proxy:
                alive = (proxy.ask("good").status_code, proxy.ask("bad").status_code)
                process.kill()
                process.wait()
                assert alive == (200, 400)
                assert proxy.ask("good").status_code == status
        finally:
            process.kill()
            process.wait()

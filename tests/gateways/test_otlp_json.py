"""OpenTelemetry's own exporter for JavaScript sends OTLP/JSON: it is stored, and the answer is understood."""

import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.store.workspace import Workspace
from tests.api.served import serving, settings, wait_until

SENDER = Path(__file__).parent / "otel-js"
N_CALLS = 20

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (SENDER / "node_modules").exists(),
    reason="the exporter for JavaScript is not installed: run `make gateways` where Node is",
)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_calls_are_stored_and_a_partial_success_is_told(compression: str, tmp_path: Path) -> None:
    made = Workspace.init(tmp_path / "w", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})
    with made, serving(made, settings()) as served:
        sent = subprocess.run(
            ["node", "send.mjs", f"{served.url}/v1/traces", served.keys[Role.INGEST], compression, str(N_CALLS)],
            cwd=SENDER, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert sent.stderr == ""
        assert '{"rejectedSpans":"1","errorMessage":"no usable start time or trace id"}' in sent.stdout
        wait_until(lambda: made.lake.snapshot().n_rows(EXCHANGE_RECORDS) == N_CALLS)
    (file,) = made.lake.snapshot().files(EXCHANGE_RECORDS)
    rows = pq.read_table(file, partitioning=None).to_pylist()
    assert {row["account_id"] for row in rows} == {f"js-{number}" for number in range(N_CALLS)}
    assert {(row["request_model"], row["input_tokens"]) for row in rows} == {("m-1", 31)}

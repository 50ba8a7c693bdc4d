"""A real LiteLLM proxy asks a real server before each call, and sends it each call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from stillwatch.config import Config
from stillwatch.model.decision import Action
from stillwatch.model.role import Role
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.pipeline.provenance import Provenance
from stillwatch.provenance.canary.plan import CanaryPlan
from stillwatch.provenance.files import canary_from_files
from stillwatch.provenance.finding import Finding
from stillwatch.provenance.verdict import Verdict as Conclusion
from stillwatch.provenance.verdict import reach
from stillwatch.response import Contents
from stillwatch.store.workspace import Workspace
from tests.api.served import Served, make_keys, serving, settings, start_process, wait_until
from tests.api.test_gateways import ALL, GATEWAY, NOW, SUSPENDED, publish
from tests.gateways.envoy import CALL, free_port
from tests.gateways.habits import PROMPTS, habit_model, student
from tests.gateways.litellm_proxy import Proxy, litellm

FED = replace(SUSPENDED, decision_id="d-8", account_id="fed", action=Action.CANARY)
TOOLS = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}}}]


def provenance(workspace: Workspace) -> Provenance:
    return Provenance(workspace, Config(), clock=lambda: NOW)


@contextmanager
def published(folder: Path) -> Iterator[Workspace]:
    with Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")}) as made:
        publish(made, Contents(decisions=(*ALL, FED)), at=NOW - timedelta(minutes=1))
        yield made


@pytest.fixture(scope="module", params=["litellm_stillwatch.logger", "[otel]"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Served]]:
    """A proxy that sends its calls by our logger or by its own OpenTelemetry callback, and the server behind it."""
    folder = tmp_path_factory.mktemp("proxy")
    with published(folder) as workspace, habit_model() as model:
        plan, _ = provenance(workspace).plan_canaries(["c-1", "c-2"], epoch="may", density=1.0, control_share=0.0)
        (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
        with serving(workspace, settings(gateway=GATEWAY, canary_plan=str(folder / "plan.json"))) as served:
            port, key = int(served.url.rpartition(":")[2]), served.keys[Role.INGEST]
            with litellm(folder / "p", stillwatch=port, key=key, callback=request.param, model=model) as proxy:
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


def lessons(proxy: Proxy, account: str) -> list[list[str]]:
    """What an account is told through the proxy, by class of prompts."""
    calls = [[{"model": "m-2", "messages": [{"role": "user", "content": prompt.format(f"matter {number}")}]}
              for number in range(2)] for prompt in PROMPTS]  # fmt: skip
    return [[proxy.ask(account, call).json()["choices"][0]["message"]["content"] for call in part] for part in calls]


def judged(served: Served, folder: Path, read: list[list[str]]) -> Finding:
    """The keyed test of a student of these lessons, on new prompts that hold no canary."""
    rows = [{"prompt_id": str(number), "prompt": prompt, "output": output}
            for number, (prompt, output) in enumerate(student(read, 12))]  # fmt: skip
    (folder / "said.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    plan = msgspec.json.decode((served.workspace.path.parent / "plan.json").read_bytes(), type=CanaryPlan)
    opened = provenance(served.workspace)
    opened.check_committed(plan)
    return canary_from_files(plan, folder / "said.jsonl", folder / "said.jsonl", master=opened.master,
                             settings=opened.settings)  # fmt: skip


def test_who_learned_from_an_account_under_canaries_is_told_from_who_learned_from_another(
    both: tuple[Proxy, Served], tmp_path: Path
) -> None:
    proxy, served = both
    fed, other = (judged(served, tmp_path, lessons(proxy, account)) for account in ("fed", "good"))
    assert reach([fed]).verdict is Conclusion.SUPPORTED
    assert {part.subject for part in fed.parts if part.adjusted_p_value < 1e-6} == {"c-1"}
    assert not other.refusals
    assert other.p_value > 1e-6  # the key is another in every run: a small p-value is as rare as it says


@pytest.mark.parametrize(
    ("fallback", "good", "bad", "n_bypassed"), [("fail_open", 200, 403, 1), ("fail_closed", 500, 403, 0)]
)
def test_when_the_server_is_killed_who_was_suspended_stays_out_and_the_door_is_open_or_closed(
    fallback: str, good: int, bad: int, n_bypassed: int, tmp_path: Path
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
                assert proxy.ask("good").status_code == good
                assert proxy.ask("bad").status_code == bad
                assert proxy.log.read_text().count("1 calls passed without a decision") == n_bypassed
        finally:
            process.kill()
            process.wait()

"""Asking a suspect: a real HTTP server on loopback, a plan that is registered first, stops and restarts."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from stillwatch.config import Config
from stillwatch.errors import ExternalServiceError, ProvenanceError, UsageError
from stillwatch.pipeline.provenance import Provenance
from stillwatch.provenance.probe.client import Client
from stillwatch.provenance.probe.collect import collect
from stillwatch.provenance.probe.plan import read_plan, register
from stillwatch.provenance.settings import ProbeSettings
from stillwatch.store.workspace import Workspace
from tests.provenance.test_verdict import finding

PLAN = """
suspect = "s-1"
model = "suspect-model"
prompts = "prompts.jsonl"
hypotheses = ["the suspect was made from our answers"]
n_samples = 2
temperature = 0.8
[alpha]
twin_sign = 0.001
"""
AT = datetime(2026, 6, 1, tzinfo=UTC)
FAST = ProbeSettings(requests_per_minute=1e9, max_attempts=3)
SECRET = "sk-very-secret"


@dataclass
class Endpoint:
    """A served endpoint: what it was asked, and the statuses that it answers with first."""

    url: str
    asked: list[dict] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Endpoint("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.keys.append(self.headers["Authorization"])
            status, headers = state.failures.pop(0) if state.failures else (200, {})
            content = b""
            if status == 200:
                state.asked.append(body)
                text = "to " + body["messages"][-1]["content"]
                choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                content = json.dumps({"model": "suspect-model-7", "choices": [choice]}).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def plan_path(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(PLAN)
    rows = [json.dumps({"prompt_id": str(n), "prompt": f"question {n}"}) for n in range(3)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path / "plan.toml"


def run(endpoint: Endpoint, plan_path: Path, settings: ProbeSettings = FAST, **how):
    client = Client(endpoint.url, settings, SECRET, sleep=lambda _seconds: None)
    return collect(read_plan(plan_path), client, plan_path.parent / "answers.jsonl", clock=lambda: AT,
                   sleep=how.get("sleep", lambda _seconds: None), elapsed=how.get("elapsed", lambda: 0.0))  # fmt: skip


def lines(plan_path: Path) -> list[dict]:
    return [json.loads(line) for line in (plan_path.parent / "answers.jsonl").read_text().splitlines()]


def test_every_prompt_is_asked_as_often_as_planned(endpoint: Endpoint, plan_path: Path) -> None:
    assert run(endpoint, plan_path).n_answers == 6
    assert {(row["prompt_id"], row["sample_id"]) for row in lines(plan_path)} == {
        (str(p), s) for p in range(3) for s in (0, 1)
    }
    assert {body["temperature"] for body in endpoint.asked} == {0.8}


def test_answers_say_how_they_were_asked_for(endpoint: Endpoint, plan_path: Path) -> None:
    run(endpoint, plan_path)
    row = lines(plan_path)[0]
    assert row["registration"] == read_plan(plan_path).digest
    assert (row["answered_by"], row["finish_reason"], row["asked_at"]) == ("suspect-model-7", "stop", AT.isoformat())


def test_a_second_run_asks_only_what_is_missing(endpoint: Endpoint, plan_path: Path) -> None:
    run(endpoint, plan_path)
    answers = plan_path.parent / "answers.jsonl"
    kept = answers.read_bytes().splitlines(keepends=True)
    answers.write_bytes(b"".join(kept[:4]) + kept[4][:20])  # the fifth line was cut off by a crash
    assert run(endpoint, plan_path).n_asked == 2
    assert len(lines(plan_path)) == 6


def test_what_was_answered_stays_when_the_endpoint_fails(endpoint: Endpoint, plan_path: Path) -> None:
    endpoint.failures = []
    run(endpoint, plan_path)
    (plan_path.parent / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines(plan_path)[:3]))
    endpoint.failures = [(500, {})] * 3
    with pytest.raises(ExternalServiceError, match="3 tries"):
        run(endpoint, plan_path)
    assert len(lines(plan_path)) == 3


def test_a_busy_endpoint_is_asked_again_after_the_time_it_names(endpoint: Endpoint) -> None:
    endpoint.failures = [(429, {"Retry-After": "7"}), (503, {})]
    waits: list[float] = []
    Client(endpoint.url, FAST, sleep=waits.append).ask([{"role": "user", "content": "x"}], model="m")
    assert waits == [7.0, 2.0] or waits == [7.0, 14.0]


def test_a_refusal_is_not_repeated_and_shows_no_secret(endpoint: Endpoint) -> None:
    endpoint.failures = [(401, {})]
    with pytest.raises(ExternalServiceError, match="401") as caught:
        Client(endpoint.url, FAST, SECRET).ask([{"role": "user", "content": "private words"}], model="m")
    assert endpoint.keys == [f"Bearer {SECRET}"]
    assert SECRET not in str(caught.value)
    assert "private words" not in str(caught.value)
    assert SECRET not in repr(Client(endpoint.url, FAST, SECRET))


def test_redirects_are_not_followed(endpoint: Endpoint) -> None:
    endpoint.failures = [(302, {"Location": endpoint.url + "/elsewhere"})]
    with pytest.raises(ExternalServiceError, match="302"):
        Client(endpoint.url, FAST, SECRET).ask([{"role": "user", "content": "x"}], model="m")
    assert len(endpoint.keys) == 1


@pytest.mark.parametrize("address", ["http://suspect.example/v1", "ftp://127.0.0.1/v1", "http://10.0.0.1/v1"])
def test_keys_go_nowhere_in_clear(address: str) -> None:
    with pytest.raises(UsageError, match="https"):
        Client(address, FAST, SECRET)


def test_requests_start_no_more_often_than_allowed(endpoint: Endpoint, plan_path: Path) -> None:
    now = [0.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    run(endpoint, plan_path, ProbeSettings(requests_per_minute=30), sleep=sleep, elapsed=lambda: now[0])
    assert waits[0] == 0
    assert waits[1:] == [2.0] * 5


def test_answers_to_another_plan_are_not_mixed_in(endpoint: Endpoint, plan_path: Path) -> None:
    run(endpoint, plan_path)
    plan_path.write_text(PLAN.replace("0.8", "0.9"))
    with pytest.raises(ProvenanceError, match="another plan"):
        run(endpoint, plan_path)


def test_the_digest_covers_every_part_of_the_plan(plan_path: Path) -> None:
    digests = {read_plan(plan_path).digest}
    for old, new in (
        ("0.8", "0.9"),
        ("0.001", "0.01"),
        ("our answers", "their answers"),
        ("n_samples = 2", "n_samples = 3"),
    ):
        plan_path.write_text(PLAN.replace(old, new))
        digests.add(read_plan(plan_path).digest)
    prompts = plan_path.parent / "prompts.jsonl"
    prompts.write_text(prompts.read_text().replace("question 1", "question one"))
    digests.add(read_plan(plan_path).digest)
    assert len(digests) == 6


def test_the_ledger_gets_the_digest_and_no_text(plan_path: Path) -> None:
    entries = []
    registered = read_plan(plan_path)
    register(registered, lambda kind, body: entries.append((kind, body)) or "d")
    ((kind, body),) = entries
    assert (kind, body["plan_digest"]) == ("provenance_plan", registered.digest)
    assert "question" not in json.dumps(body)
    assert "s-1" not in json.dumps(body)


@pytest.mark.parametrize(("old", "new", "error"), [
    ("twin_sign = 0.001", "all_token_binomial = 0.001", UsageError),
    ("twin_sign = 0.001", "twin_sign = 0.001\n[weights]\ntwin_sign = 0.7\ncanary_keyrank = 0.7", UsageError),
    ("n_samples = 2", "n_samples = 0", ProvenanceError),
    ("n_samples = 2", "samples = 2", ProvenanceError),
])  # fmt: skip
def test_plans_that_bind_nothing_are_refused(plan_path: Path, old: str, new: str, error: type[Exception]) -> None:
    plan_path.write_text(PLAN.replace(old, new))
    with pytest.raises(error):
        read_plan(plan_path)


def test_the_plan_is_in_the_ledger_before_the_first_request(
    endpoint: Endpoint, plan_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(plan_path.parent / "config"))
    registered = read_plan(plan_path)
    answers = plan_path.parent / "answers.jsonl"
    with Workspace.init(plan_path.parent / "workspace") as workspace:
        opened = Provenance(workspace, Config(), clock=lambda: AT)
        client = Client(endpoint.url, FAST, SECRET, sleep=lambda _seconds: None)
        endpoint.failures = [(401, {})]
        with pytest.raises(ExternalServiceError):
            opened.probe(registered, client, answers)
        (entry,) = workspace.ledger.entries("provenance_plan")
        assert json.loads(entry.body)["plan_digest"] == registered.digest
        assert opened.probe(registered, client, answers).n_asked == 6
        assert len(workspace.ledger.entries("provenance_plan")) == 1


def test_answers_that_came_before_the_plan_are_refused(plan_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(plan_path.parent / "config"))
    answers = plan_path.parent / "answers.jsonl"
    answers.write_text("{}\n")
    with Workspace.init(plan_path.parent / "workspace") as workspace:
        opened = Provenance(workspace, Config(), clock=lambda: AT)
        with pytest.raises(ProvenanceError, match="not registered"):
            opened.probe(read_plan(plan_path), Client("https://suspect.example/v1", FAST), answers)
        assert not workspace.ledger.entries("provenance_plan")


def test_findings_at_another_level_than_planned_get_no_verdict(
    plan_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(plan_path.parent / "config"))
    registered = read_plan(plan_path)
    with Workspace.init(plan_path.parent / "workspace") as workspace:
        opened = Provenance(workspace, Config(), clock=lambda: AT)
        with pytest.raises(ProvenanceError, match="ledger"):
            opened.conclude("s-1", [finding("twin_sign", 1e-9)], registered)
        register(registered, opened.append)
        with pytest.raises(ProvenanceError, match="the plan says"):
            opened.conclude("s-1", [finding("twin_sign", 1e-9)], registered)
        with pytest.raises(ProvenanceError, match="not among the tests"):
            opened.conclude("s-1", [finding("canary_keyrank", 1e-9)], registered)
        assert opened.verdicts().num_rows == 0


def test_a_prefix_is_sent_as_the_beginning_of_the_answer(endpoint: Endpoint, plan_path: Path) -> None:
    row = {"prompt_id": "c/twin/6", "prompt": "question", "prefix": "It depends on"}
    (plan_path.parent / "prompts.jsonl").write_text(json.dumps(row) + "\n")
    run(endpoint, plan_path)
    assert endpoint.asked[0]["messages"][-1] == {"role": "assistant", "content": "It depends on"}


def test_twins_are_sealed_through_the_command_line(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(tmp_path / "workspace"))
    assert main(["init"]) == 0
    served = [
        {"call_id": f"c{n}", "prompt": f"question {n}", "output": "word " * 20, "model": "suspect-model-7",
         "temperature": 0.7 * (n != 3), "max_tokens": 50}
        for n in range(5)
    ]  # fmt: skip
    (tmp_path / "served.jsonl").write_text("".join(json.dumps(row) + "\n" for row in served))
    command = ["provenance", "seal-twins", "served.jsonl", "--endpoint", endpoint.url, "--share", "1.0"]
    assert main([*command, "-o", "twins.jsonl", "--prefixes", "prefixes.jsonl"]) == 0
    twins = [json.loads(line) for line in (tmp_path / "twins.jsonl").read_text().splitlines()]
    assert [twin["call_id"] for twin in twins] == ["c0", "c1", "c2", "c4"]
    assert twins[0]["twin"] == "to question 0"
    assert (tmp_path / "twins.jsonl").stat().st_mode & 0o077 == 0
    with Workspace.open(tmp_path / "workspace") as workspace:
        (entry,) = workspace.ledger.entries("twins_sealed")
    assert json.loads(entry.body)["n_twins"] == 4
    assert "question" not in entry.body

"""`stillwatch respond` from a policy file to a restored account."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from stillwatch.cli.app import main
from stillwatch.model.decision import Action, DecisionRequest
from stillwatch.response import Snapshot
from tests.databases import KINDS, database
from tests.response.worlds import GREET, NOON, SLOW, SUCCESSORS, TOKENS, VERIFY, Clock, Found, policy, workspace

HOSTILE = "bad[red]\u202e<script>"
FOUND = Found(accused=(HOSTILE, *(f"bad-{number:02}" for number in range(24))))
TWO_KINDS = {"skeleton": [TOKENS["skeleton"]], "system": [TOKENS["system"]]}
PLAN_KEYS = {"subject_id", "outcome", "action", "mode", "rule", "campaign_id", "tier", "n_token_kinds", "score", "why"}


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def inside(state_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workspace that found a campaign and a policy that acts; the clock stands still."""
    workspace(tmp_path / "workspace", FOUND, state_url=state_url).close()
    monkeypatch.setenv("STILLWATCH_STATE__URL", state_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / "workspace-keys.json"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("STILLWATCH_ENGINES__MEMORY_LIMIT", "500MB")
    monkeypatch.setattr("stillwatch.python_api.now", Clock())
    (tmp_path / "response.toml").write_text(policy(SLOW, VERIFY, SUCCESSORS, GREET).body)
    return tmp_path


def decided(inside: Path, account_id: str, capsys: pytest.CaptureFixture[str]) -> Action:
    capsys.readouterr()
    assert main(["respond", "snapshot", "-o", str(inside / "gateway.snapshot")]) == 0
    said = json.loads(capsys.readouterr().out)
    served = Snapshot.read(Path(said["path"]), bytes.fromhex(said["public_key"]), clock=Clock(NOON).micros)
    return served.decide(DecisionRequest(account_id, TWO_KINDS)).action


def test_from_plan_to_appeal(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["respond", "plan", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"lines", "back_test", "policy_digest", "needs_second"} <= set(shown)
    assert {line["subject_id"] for line in shown["lines"]} >= {HOSTILE, "bad-00", "odd-00", "c-1"}
    assert sum(rule["new"] for rule in shown["rules"]) == sum(line["outcome"] == "new" for line in shown["lines"])
    assert [rule["rule"] for rule in shown["rules"]] == ["slow", "verify", "successors", "greet"]
    assert main(["respond", "apply", "--by", "ana"]) == 2
    assert "--second" in capsys.readouterr().err
    assert main(["respond", "apply", "--by", "ana", "--second", "ben"]) == 0
    assert decided(inside, "bad-00", capsys) is Action.RATE_LIMIT
    assert decided(inside, "new", capsys) is Action.SUSPEND
    assert main(["respond", "appeal", "bad-00", "--by", "cem", "--note", "a class"]) == 0
    assert decided(inside, "bad-00", capsys) is Action.ALLOW
    assert main(["respond", "kill", "on", "--by", "cem"]) == 0
    assert decided(inside, "bad-01", capsys) is Action.ALLOW
    assert main(["respond", "kill", "off", "--by", "cem"]) == 2


def test_the_suspended_are_listed_for_a_gateway(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["respond", "suspended"]) == 2
    stop = 'stop | action = "suspend"; mode = "enforce"; min_token_kinds = 2'
    (inside / "response.toml").write_text(policy(stop).body)
    assert main(["respond", "apply", "--by", "ana", "--second", "ben"]) == 0
    capsys.readouterr()
    assert main(["respond", "suspended"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"bad-{number:02}" for number in range(24)], "a hostile id is in no plain list"
    file = inside / "suspended.json"
    assert main(["respond", "suspended", "--gateway", "envoy", "-o", str(file)]) == 0
    assert json.dumps(HOSTILE, ensure_ascii=False) in file.read_text()


def test_a_plan_in_every_format_has_the_same_lines(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {name: inside / f"plan.{name}" for name in ("json", "jsonl", "csv", "parquet")}
    for name, file in outputs.items():
        assert main(["respond", "plan", "--format", name, "-o", str(file)]) == 0
    subjects = [
        [line["subject_id"] for line in json.loads(outputs["json"].read_text())["lines"]],
        [json.loads(line)["subject_id"] for line in outputs["jsonl"].read_text().splitlines()],
        [row["subject_id"] for row in csv.DictReader(io.StringIO(outputs["csv"].read_text()))],
        pq.read_table(outputs["parquet"])["subject_id"].to_pylist(),
    ]
    assert subjects[0] == subjects[1] == subjects[2] == subjects[3]
    assert set(pq.read_table(outputs["parquet"]).column_names) == PLAN_KEYS
    assert main(["respond", "plan"]) == 0
    assert "\u202e" not in capsys.readouterr().out


def test_fail_on_exits_with_one_when_an_account_would_be_touched(inside: Path) -> None:
    assert main(["respond", "plan", "--fail-on", "touched", "--format", "json", "-o", "plan.json"]) == 1
    Path("quiet.toml").write_text(policy('quiet | action = "observe"').body)
    quiet = ["respond", "plan", "--policy", "quiet.toml", "--fail-on", "touched", "--format", "json", "-o", "plan.json"]
    assert main(quiet) == 0


def test_a_policy_that_cannot_be_exits_with_three_and_names_file_rule_and_remedy(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("response.toml").write_text('[[rules]]\nname = "stop"\ntiers = ["review"]\naction = "suspend"\n')
    assert main(["respond", "plan"]) == 3
    error = capsys.readouterr().err
    assert all(word in error for word in ("response.toml", "'stop'", "step_up"))


def test_the_policy_to_start_from_is_printed_and_not_written_over(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["respond", "policy", "-o", "new.toml"]) == 0
    assert main(["respond", "plan", "--policy", "new.toml", "--fail-on", "touched", "--format", "json"]) == 0
    assert main(["respond", "policy", "-o", "new.toml"]) == 2


def test_decisions_are_listed_with_what_became_of_them(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["respond", "apply", "--by", "ana", "--second", "ben", "--format", "json", "-o", "applied.json"]) == 0
    assert main(["respond", "appeal", "bad-00", "--by", "cem", "--note", ""]) == 0
    capsys.readouterr()
    assert main(["respond", "decisions", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    status = {row["account_id"]: row["status"] for row in rows if row["account_id"]}
    assert (status["bad-00"], status["bad-01"]) == ("appealed", "active")
    assert {(row["approved_by"], row["second_by"], row["calibration_id"]) for row in rows} == {("ana", "ben", "cal-1")}


def test_doctor_says_whether_decisions_are_as_the_ledger_sealed_them(
    inside: Path, state_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["respond", "apply", "--by", "ana", "--second", "ben", "--format", "json", "-o", "applied.json"]) == 0

    def said() -> tuple[str, str]:
        capsys.readouterr()
        main(["doctor", "--format", "json"])
        [found] = [row for row in json.loads(capsys.readouterr().out) if row["check"] == "decisions"]
        return found["state"], found["detail"]

    assert said() == ("ok", "29 as the ledger sealed them")
    behind_its_back = sa.create_engine(state_url)
    with behind_its_back.begin() as stored:
        stored.execute(sa.text("UPDATE decisions SET action = 'observe' WHERE account_id = 'bad-03'"))
    behind_its_back.dispose()
    state, detail = said()
    assert state == "fail"
    assert "not as the ledger sealed them" in detail


def test_the_password_of_the_state_database_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in ("postgresql+pg8000://a:hunter2@db.example/stillwatch", "hunter2"):
        monkeypatch.setenv("STILLWATCH_STATE__URL", url)
        assert main(["config", "show"]) == 0
        assert "hunter2" not in "".join(capsys.readouterr())

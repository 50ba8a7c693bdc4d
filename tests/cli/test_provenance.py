"""The provenance verbs on a workspace, from plan to verdict."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stillwatch.cli.app import main
from stillwatch.provenance.canary.keys import campaign_key
from stillwatch.provenance.canary.marks import Mark
from stillwatch.provenance.canary.plan import CanaryPlan
from stillwatch.provenance.twins.sampler import Twin
from stillwatch.store.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(tmp_path / "workspace"))
    assert main(["init"]) == 0
    return tmp_path


def entries(folder: Path, kind: str) -> list[dict]:
    with Workspace.open(folder / "workspace") as workspace:
        workspace.ledger.verify()
        return [json.loads(entry.body) for entry in workspace.ledger.entries(kind)]


def marked_answers(folder: Path, plan: CanaryPlan, subject: str) -> None:
    """Answers whose words follow the key of one campaign."""
    from stillwatch.config import Config
    from stillwatch.pipeline.provenance import Provenance
    from stillwatch.python_api import now

    with Workspace.open(folder / "workspace") as workspace:
        master = Provenance(workspace, Config(), clock=now).master
    mark = Mark(campaign_key(master, subject, plan.epoch))
    pairs = np.indices((60, 60)).reshape(2, -1)
    chances = np.exp(mark.bias * mark.is_green(pairs[0], pairs[1])).reshape(60, 60)
    rng = np.random.default_rng(1)
    rows = []
    for number in range(120):
        words = [int(rng.integers(60))]
        for _ in range(30):
            words.append(int(rng.choice(60, p=chances[words[-1]] / chances[words[-1]].sum())))
        rows.append({"prompt_id": str(number), "tokens": words})
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_from_planned_canaries_to_a_recorded_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["provenance", "plan-canaries", "c-1", "c-2", "--epoch", "may", "-o", "canaries.json"]) == 0
    plan = msgspec.json.decode((folder / "canaries.json").read_bytes(), type=CanaryPlan)
    (committed,) = entries(folder, "canary_plan")
    assert committed["plan_digest"] == plan.digest
    marked_answers(folder, plan, "c-2")
    assert (
        main(["provenance", "test", "canaries", "answers.jsonl", "--canary-plan", "canaries.json", "-o", "f.json"]) == 0
    )
    capsys.readouterr()
    assert main(["provenance", "verdict", "f.json", "--suspect", "<b>s-1</b>", "--report", "section.html"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "supported"
    named = [part["subject"] for part in said["findings"][0]["parts"] if part["adjusted_p_value"] < 0.001]
    assert named == ["c-2"]
    (sealed,) = entries(folder, "provenance_verdict")
    assert sealed["verdict"] == "supported"
    page = (folder / "section.html").read_text()
    assert "&lt;b&gt;s-1" in page
    assert "<b>s-1" not in page
    assert main(["provenance", "verdicts", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["suspect"], row["tests"]) == ("<b>s-1</b>", ["watermark_keyrank"])


def test_a_canary_plan_that_the_ledger_lacks_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["provenance", "plan-canaries", "c-1", "--epoch", "may", "-o", "canaries.json"]) == 0
    forged = json.loads((folder / "canaries.json").read_text())
    forged["epoch"] = "june"
    (folder / "canaries.json").write_text(json.dumps(forged))
    (folder / "answers.jsonl").write_text('{"prompt_id": "1", "tokens": [1, 2]}\n')
    assert main(["provenance", "test", "canaries", "answers.jsonl", "--canary-plan", "canaries.json"]) == 4
    assert "ledger" in capsys.readouterr().err


def test_twins_from_files_reach_their_rung(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twins = [Twin(f"c{n}", f"what about {n}", f"served {n}", f"twin {n}", "m", 0.7) for n in range(80)]
    (folder / "twins.jsonl").write_bytes(b"".join(msgspec.json.encode(twin) + b"\n" for twin in twins))
    rows = [{"prompt_id": f"c{n}", "served_logprob": -10.0, "twin_logprob": -12.0} for n in range(80)]
    (folder / "scored.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [
        "provenance",
        "test",
        "twins",
        "scored.jsonl",
        "--twins",
        "twins.jsonl",
        "--metric",
        "logprob",
        "-o",
        "t.json",
    ]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["provenance", "verdict", "t.json", "--suspect", "s-1"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "supported_if_twins_are_accepted"


def test_a_forged_finding_of_another_test_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = {"test": "prompt_t_test", "grade": "A", "p_value": 1e-9, "alpha": 0.01, "effect": "", "effect_value": 1.0,
              "effect_low": None, "effect_high": None, "n": 1, "power": None, "power_against": "", "null": "",
              "assumptions": []}  # fmt: skip
    (folder / "f.json").write_text(json.dumps(forged))
    assert main(["provenance", "verdict", "f.json", "--suspect", "s-1"]) == 4
    assert "admitted" in capsys.readouterr().err
    assert not entries(folder, "provenance_verdict")


def test_a_pool_is_built_from_files_and_refuses_when_small(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    names = {f"{family}-{n}": family for family in ("ours", "theirs") for n in range(2)} | {
        f"m-{n}": "" for n in range(6)
    }
    rows = [{"prompt_id": str(p), "model": name, "output": " ".join(f"w{rng.integers(40)}" for _ in range(30))}
            for p in range(20) for name in names]  # fmt: skip
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = "model,organisation,provider,relatives,year\n" + "".join(
        f"{n},{n},{f},{f},2025\n" for n, f in names.items()
    )
    (folder / "models.csv").write_text(table)
    assert main(["provenance", "pool", "build", "answers.jsonl", "models.csv", "-o", "pool"]) == 0
    (folder / "suspect.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row["model"] == "m-0"))
    command = [
        "provenance",
        "test",
        "passive",
        "suspect.jsonl",
        "--pool",
        "pool",
        "--suspect",
        "s",
        "--provider",
        "ours",
    ]
    assert main([*command, "-o", "f.json"]) == 0
    capsys.readouterr()
    assert main(["provenance", "verdict", "f.json", "--suspect", "s"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "inconclusive"
    assert any("too small" in reason for reason in said["reasons"])

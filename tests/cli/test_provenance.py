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
from stillwatch.provenance.twins.sampler import Served, Twin
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


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_file_that_is_no_canary_plan_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (folder / "canaries.json").write_text(content)
    assert main(["provenance", "test", "canaries", "answers.jsonl", "--canary-plan", "canaries.json"]) == 4
    assert "canaries.json is no canary plan" in capsys.readouterr().err


TEST_TWINS = ["provenance", "test", "twins", "scored.jsonl", "--twins", "a.jsonl", "--twins", "b.jsonl", "--metric"]


def seal(folder: Path, *, sealed: tuple[str, ...] = ("a", "b")) -> None:
    """Two files of twins that a suspect finds less likely than the served answers; the ledger holds what is sealed."""
    from stillwatch.config import Config
    from stillwatch.pipeline.provenance import Provenance
    from stillwatch.python_api import now

    rows = []
    for name in ("a", "b"):
        calls = [Served(f"{name}{n}", f"what about {name} {n}", f"served {n}", "m", 0.7, 9) for n in range(40)]
        twins = [Twin(call.call_id, call.prompt, call.output, "twin", "m", 0.7) for call in calls]
        if name in sealed:
            with Workspace.open(folder / "workspace") as workspace:
                opened = Provenance(workspace, Config(), clock=now)
                twins, _, _ = opened.seal_twins(calls, lambda call: (f"twin {call.call_id}", call.model), 1.0)
        (folder / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(twin) + b"\n" for twin in twins))
        rows += [{"prompt_id": call.call_id, "served_logprob": -10.0, "twin_logprob": -12.0} for call in calls]
    (folder / "scored.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_sealed_twins_of_several_files_reach_their_rung(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal(folder)
    assert main([*TEST_TWINS, "logprob", "-o", "t.json"]) == 0
    assert json.loads((folder / "t.json").read_text())["n"] == 80
    capsys.readouterr()
    assert main(["provenance", "verdict", "t.json", "--suspect", "s-1", "--report", "section.html"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "supported_if_twins_are_accepted"
    assert "Permuted labels" in (folder / "section.html").read_text()


def test_twins_whose_seal_the_ledger_lacks_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal(folder, sealed=("a",))
    assert main([*TEST_TWINS, "logprob"]) == 4
    said = capsys.readouterr().err
    assert "b.jsonl is not in this workspace's ledger" in said


def test_one_twin_changed_after_the_seal_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal(folder)
    (folder / "a.jsonl").write_text((folder / "a.jsonl").read_text().replace("twin a7", "twin a7x"))
    assert main([*TEST_TWINS, "logprob"]) == 4
    assert "a.jsonl" in capsys.readouterr().err


def test_another_metric_than_the_plans_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal(folder)
    (folder / "prompts.jsonl").write_text('{"prompt_id": "a0", "prompt": "x"}\n')
    (folder / "plan.toml").write_text(
        'suspect = "s"\nmodel = "m"\nprompts = "prompts.jsonl"\nhypotheses = ["h"]\n'
        '[alpha]\ntwin_sign = 0.001\n[metrics]\ntwin_sign = "continuation"\n'
    )
    assert main([*TEST_TWINS, "logprob", "--plan", "plan.toml"]) == 4
    assert "the registered plan says continuation" in capsys.readouterr().err


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

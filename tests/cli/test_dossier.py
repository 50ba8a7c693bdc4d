"""`stillwatch exposure` and `stillwatch dossier` from a finding to a checked record."""

import json
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from tests.evidence.conftest import WORKSHEET, Built, built, found_world, small_world

__all__ = ["built", "found_world", "small_world"]

ASSESSMENT = """
campaign = "{campaign}"
[[hypotheses]]
kind = "operator"
statement = "One operator trains a model on the answers."
likelihood = "likely"
confidence = "low"
[[hypotheses.supporting]]
kind = "finding"
ref = "{campaign}"
says = "One queue deals out the work."
""" + "".join(
    f"""
[[hypotheses]]
kind = "{kind}"
statement = "It is {kind}."
likelihood = "very unlikely"
confidence = "low"
[[hypotheses.contradicting]]
kind = "observation"
says = "No contract is on record."
"""
    for kind in ("reseller", "honest_customer", "framing")
)


@pytest.fixture
def inside(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLWATCH_KEYS", str(built.world / "keys.json"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(built.folder / "workspace"))
    monkeypatch.setenv("STILLWATCH_DETECT__WINDOW_DAYS", "7")
    monkeypatch.setenv("STILLWATCH_ENGINES__MEMORY_LIMIT", "1GB")
    (tmp_path / "damages.toml").write_text(WORKSHEET)
    return built


def test_exposure_as_json_and_with_damages(inside: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exposure", inside.campaign_id, "--format", "json"]) == 0
    rows = {row["capability"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["all"]["exchanges_low"] <= rows["all"]["exchanges"] <= rows["all"]["exchanges_high"]
    assert main(["exposure", inside.campaign_id, "--damages", "damages.toml", "--format", "json"]) == 0
    heads = {row["head"]: row for row in json.loads(capsys.readouterr().out)}
    assert heads["usage_value"]["likely_usd"] > 0
    assert heads["serving_cost"]["missing"]
    assert main(["exposure", inside.campaign_id]) == 0
    assert "30 more days" in " ".join(capsys.readouterr().err.split())


def test_a_worksheet_is_printed_and_damages_need_a_campaign(inside: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exposure", "--worksheet"]) == 0
    assert "output_price_per_million_usd" in capsys.readouterr().out
    assert main(["exposure", "--damages", "damages.toml"]) == 2
    assert main(["exposure", "c-nowhere"]) == 2


def test_a_dossier_from_build_to_recompute(inside: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dossier", "build", inside.campaign_id, "-o", "case.zip", "--no-pdf"]) == 0
    assert main(["dossier", "key", "-o", "provider.pem"]) == 0
    assert main(["dossier", "verify", "case.zip", "--key", "provider.pem"]) == 0
    assert capsys.readouterr().out == "OK\n"
    assert main(["dossier", "recompute", "case.zip"]) == 0
    assert "0 different" in capsys.readouterr().out
    body = Path("case.zip").read_bytes()
    Path("case.zip").write_bytes(body.replace(b"Glossary", b"Glossarx"))
    assert main(["dossier", "verify", "case.zip"]) == 5
    assert "glossary.md" in capsys.readouterr().err


def test_a_dossier_for_others_needs_the_name_of_who_gets_it(inside: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dossier", "build", inside.campaign_id, "--audience", "court"]) == 2
    assert "--to NAME" in capsys.readouterr().err
    assert not list(Path().glob("*.zip"))


def test_an_attribution_needs_two_people_before_a_dossier_holds_it(
    inside: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("assessment.toml").write_text(ASSESSMENT.replace("{campaign}", inside.campaign_id))
    assert main(["dossier", "attribute", "assessment.toml", "--by", "ana"]) == 0
    name = capsys.readouterr().out.strip()
    assert main(["dossier", "build", inside.campaign_id, "-o", "before.zip", "--no-pdf"]) == 0
    assert b"One operator trains" not in Path("before.zip").read_bytes()
    assert main(["dossier", "approve", name, "--by", "ana"]) == 2
    assert main(["dossier", "approve", name, "--by", "ben"]) == 0
    assert main(["dossier", "build", inside.campaign_id, "-o", "after.zip", "--no-pdf"]) == 0
    assert b"One operator trains" in Path("after.zip").read_bytes()
    assert main(["dossier", "verify", "after.zip"]) == 0
    capsys.readouterr()
    assert main(["dossier", "attributions", "--format", "json"]) == 0
    assert {row["approved_by"] for row in json.loads(capsys.readouterr().out)} == {"ben"}
    assert main(["dossier", "withdraw", name, "--by", "ana"]) == 0

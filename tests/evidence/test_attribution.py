"""Assessments: complete, coherent, approved by somebody else, and read by nothing that detects."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from stillwatch import campaigns, exposure, features, grouping, scoring, signals
from stillwatch.errors import ConfigError, UsageError
from stillwatch.evidence.attribution import read_assessment
from stillwatch.model.attribution import Likelihood
from stillwatch.store.attributions import Attributions
from stillwatch.store.schema import STORED
from stillwatch.store.workspace import Workspace

AT = datetime(2026, 5, 10, tzinfo=UTC)


def hypothesis(kind: str, likelihood: str = "very unlikely", side: str = "contradicting") -> str:
    return f"""
[[hypotheses]]
kind = "{kind}"
statement = "It is {kind}."
likelihood = "{likelihood}"
confidence = "moderate"
[[hypotheses.{side}]]
kind = "finding"
ref = "c-1"
says = "The members are alike."
"""


ALTERNATIVES = "".join(hypothesis(kind) for kind in ("reseller", "honest_customer", "framing"))
WHOLE = 'campaign = "c-1"\n' + hypothesis("operator", "likely", "supporting") + ALTERNATIVES


def written(tmp_path: Path, text: str = WHOLE, author: str = "ana"):
    (tmp_path / "assessment.toml").write_text(text)
    return read_assessment(tmp_path / "assessment.toml", author=author, at=AT)


@pytest.fixture
def kept(tmp_path: Path):
    with Workspace.init(tmp_path / "ws", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")}) as workspace:
        yield Attributions(workspace.state, workspace.ledger)


def test_what_is_written_comes_back(kept: Attributions, tmp_path: Path) -> None:
    assessment = written(tmp_path)
    kept.write(assessment)
    assert kept.all("c-1") == [assessment]
    assert kept.all("c-2") == []
    assert not assessment.stands


def test_every_alternative_has_to_be_looked_at(tmp_path: Path) -> None:
    text = 'campaign = "c-1"\n' + hypothesis("operator") + hypothesis("reseller")
    with pytest.raises(UsageError, match="framing, honest_customer"):
        written(tmp_path, text)


def test_a_hypothesis_needs_a_reason(tmp_path: Path) -> None:
    bare = '[[hypotheses]]\nkind = "other"\nstatement = "x"\nlikelihood = "unlikely"\nconfidence = "low"\n'
    with pytest.raises(UsageError, match="other"):
        written(tmp_path, WHOLE + bare)


def test_words_that_cannot_hold_together_are_refused(tmp_path: Path) -> None:
    text = WHOLE.replace('likelihood = "very unlikely"', 'likelihood = "likely"', 1)
    with pytest.raises(UsageError, match="exclude each other"):
        written(tmp_path, text)


@pytest.mark.parametrize(
    "text", [WHOLE.replace('"likely"', '"certain"'), WHOLE.replace("says", "said"), "x", WHOLE + "score = 3"]
)
def test_other_words_than_the_estimative_ones_and_other_fields_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        written(tmp_path, text)


def test_nobody_approves_what_they_wrote(kept: Attributions, tmp_path: Path) -> None:
    assessment = written(tmp_path)
    kept.write(assessment)
    for author in ("ana", " ana ", ""):
        with pytest.raises(UsageError):
            kept.settle(assessment.assessment_id, "approved", author=author, note="", at=AT)
    kept.settle(assessment.assessment_id, "approved", author="ben", note="read it", at=AT)
    [stored] = kept.all()
    assert stored.stands
    assert stored.approved_by == "ben"


def test_what_is_withdrawn_no_longer_stands_and_cannot_be_approved_again(kept: Attributions, tmp_path: Path) -> None:
    name = written(tmp_path).assessment_id
    kept.write(written(tmp_path))
    kept.settle(name, "approved", author="ben", note="", at=AT)
    kept.settle(name, "withdrawn", author="ana", note="new evidence", at=AT)
    assert not kept.all()[0].stands
    with pytest.raises(UsageError, match="withdrawn"):
        kept.settle(name, "approved", author="cem", note="", at=AT)


def test_each_step_is_in_the_ledger(kept: Attributions, tmp_path: Path) -> None:
    assessment = written(tmp_path)
    kept.write(assessment)
    kept.settle(assessment.assessment_id, "approved", author="ben", note="", at=AT)
    kinds = [entry.kind for entry in kept._ledger.entries()]
    assert kinds == ["attribution.written", "attribution.approved"]
    assert "members are alike" not in "".join(entry.body for entry in kept._ledger.entries())


def test_no_stage_of_detection_reads_attributions() -> None:
    for room in (features, grouping, signals, scoring, campaigns, exposure):
        names = {table.name for table in (*getattr(room, "READS", ()), *room.WRITES)}
        assert not names & {"attributions", "attribution_events"}


def test_estimative_words_cover_what_is_possible_without_overlap() -> None:
    ends = [(one.low, one.high) for one in Likelihood]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))


def test_a_point_refers_to_a_screening_hit_or_verdict_that_is_there(kept: Attributions, tmp_path: Path) -> None:
    hit = WHOLE.replace('kind = "finding"\nref = "c-1"', 'kind = "screening_hit"\nref = "h-1"', 1)
    with pytest.raises(UsageError, match="h-1"):
        kept.write(written(tmp_path, hit))
    table = STORED["screening_hits"]
    row = {column.name: "" for column in table.columns} | {"hit_id": "h-1", "score": None, "reasons": []}
    with kept._state.writing() as connection:
        connection.execute(sa.insert(table), [row | {"found_at": 0, "ended_at": None}])
    kept.write(written(tmp_path, hit))
    assert kept.all()[0].hypotheses[0].supporting[0].ref == "h-1"


def test_a_point_refers_to_something_that_a_peer_sent(kept: Attributions, tmp_path: Path) -> None:
    sighting = "sighting--3f7a4b1e-6d2c-4f58-9b3a-1c8e5d7f2a60"
    text = WHOLE.replace('kind = "finding"\nref = "c-1"', f'kind = "sighting"\nref = "{sighting}"', 1)
    with pytest.raises(UsageError, match=sighting):
        kept.write(written(tmp_path, text))
    table = STORED["shelved_objects"]
    row = {column.name: "" for column in table.columns} | {"object_id": sighting, "seq": 1}
    with kept._state.writing() as connection:
        connection.execute(sa.insert(table), [row | {"version": 0, "added_at": 0}])
    kept.write(written(tmp_path, text))
    assert kept.all()[0].hypotheses[0].supporting[0].ref == sighting

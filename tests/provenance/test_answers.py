"""Answers from files: one row an answer, or one row a turn."""

import json
from pathlib import Path

import pytest

from stillwatch.provenance.answers import first_answers, read_answers


def answers(folder: Path, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_answers(path).to_pylist()


def test_the_turns_of_a_transcript_are_one_answer_with_all_its_tool_calls(tmp_path: Path) -> None:
    rows = [
        {"prompt_id": 1, "turn": 2, "output": "second", "tool_names": ["run"]},
        {"prompt_id": 2, "turn": 1, "output": None, "tool_names": None},
        {"prompt_id": 1, "turn": 1, "output": "first", "tool_names": ["read", "edit"]},
        {"prompt_id": 2, "turn": 2, "output": "done", "tool_names": ["ask"]},
    ]
    assert answers(tmp_path, rows) == [
        {"prompt_id": "1", "output": "first\nsecond", "tool_names": ["read", "edit", "run"]},
        {"prompt_id": "2", "output": "\ndone", "tool_names": ["ask"]},
    ]


@pytest.mark.parametrize("key", ["model", "sample_id"])
def test_turns_of_different_models_and_samples_stay_apart(tmp_path: Path, key: str) -> None:
    rows = [{"prompt_id": "p", key: name, "turn": turn, "output": f"{name}{turn}"} for turn in (1, 2) for name in ("a", "b")]  # fmt: skip  # noqa: E501
    assert [row["output"] for row in answers(tmp_path, rows)] == ["a1\na2", "b1\nb2"]


def test_of_several_samples_the_first_is_kept(tmp_path: Path) -> None:
    rows = [{"prompt_id": "p", "sample_id": number, "output": f"o{number}"} for number in (2, 0, 1)]
    answers(tmp_path, rows)
    assert first_answers(read_answers(tmp_path / "answers.jsonl"))["output"].to_pylist() == ["o0"]


def test_refused_questions_are_no_answers(tmp_path: Path) -> None:
    rows = [{"prompt_id": "p", "output": "", "outcome": "empty"}, {"prompt_id": "q", "output": "o", "outcome": "answered"}]  # fmt: skip  # noqa: E501
    assert [row["prompt_id"] for row in answers(tmp_path, rows)] == ["q"]

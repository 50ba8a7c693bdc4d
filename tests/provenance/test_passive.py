"""Passive attribution on made-up models: each provider has pet phrases, each student those of its teacher."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.passive import (
    Attribution,
    Pool,
    PoolModel,
    attribute,
    build_pool,
    outside_suspect,
    pool_member,
)
from stillwatch.provenance.settings import PassiveSettings

PROVIDERS = ("north", "south", "east")
N_PROMPTS, N_PLAIN = 30, 40
EASY = PassiveSettings(min_references=20, min_prompts=20, alpha=0.05, n_permutations=5)


def write(rng: np.random.Generator, prompt: int, voice: str | None, *, share: float = 0.3, n_words: int = 60) -> str:
    """Words about the prompt, strewn with the pet phrases of a voice."""
    words = [f"topic{prompt}x{rng.integers(30)}" if rng.random() < 0.5 else f"word{rng.integers(200)}"
             for _ in range(n_words)]  # fmt: skip
    if voice:
        for place in range(0, n_words - 4, 4):
            if rng.random() < share:
                words[place : place + 4] = [f"{voice}{prompt}p{rng.integers(6)}q{part}" for part in range(4)]
    return " ".join(words)


def world(seed: int = 3) -> tuple[list[PoolModel], pa.Table]:
    rng = np.random.default_rng(seed)
    models = [PoolModel(f"{p}-{i}", p, p, (p,)) for p in PROVIDERS for i in range(3)]
    models += [PoolModel(f"student-{i}", f"lab{i}", "", ("north",), ("north",)) for i in range(3)]
    models += [PoolModel(f"plain-{i:02}", f"plain{i}") for i in range(N_PLAIN)]
    voices = {m.name: (m.provider or (m.descends_from[0] if m.descends_from else None)) for m in models}
    rows = [
        {"prompt_id": str(prompt), "model": m.name, "output": write(rng, prompt, voices[m.name])}
        for prompt in range(N_PROMPTS)
        for m in models
    ]
    return models, pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def pool() -> Pool:
    models, answers = world()
    return build_pool(answers, models)


def suspect_answers(voice: str | None, seed: int = 11, **how: float) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"prompt_id": [str(p) for p in range(N_PROMPTS)],
                     "output": [write(rng, p, voice, **how) for p in range(N_PROMPTS)]})  # fmt: skip


def finding(pool: Pool, answers: pa.Table, provider: str = "north", settings: PassiveSettings = EASY):
    return attribute(pool, outside_suspect(pool, "suspect", answers), provider, settings=settings,
                     rng=np.random.default_rng(1))  # fmt: skip


def test_a_student_reaches_the_floor_and_no_further(pool: Pool) -> None:
    found = finding(pool, suspect_answers("north"))
    assert found.rejects
    assert found.p_value == pytest.approx(1 / (N_PLAIN + 6 + 1))


def test_known_descendants_of_other_organisations_stand_for_their_provider(pool: Pool) -> None:
    families = pool.with_descendants("lab0").providers
    named = {pool.models[place].name for place in families["north"]}
    assert named == {"north-0", "north-1", "north-2", "student-1", "student-2"}
    assert families["south"] == pool.providers["south"]


def test_the_lineage_that_fits_best_is_named_beside_the_test(pool: Pool) -> None:
    suspect = pool_member(pool, pool.place("student-0"))
    found = attribute(pool, suspect, "south", settings=EASY, rng=np.random.default_rng(1))
    assert found.notes[-1].endswith("known descendants counted with their provider: north")


def test_an_unrelated_model_is_not_flagged(pool: Pool) -> None:
    assert finding(pool, suspect_answers(None)).p_value > 0.05


def test_a_student_of_another_provider_is_not_flagged(pool: Pool) -> None:
    assert not finding(pool, suspect_answers("south")).rejects


def test_relatives_are_no_references(pool: Pool) -> None:
    attribution = Attribution(pool, outside_suspect(pool, "suspect", suspect_answers(None)), EASY)
    names = {pool.models[place].name for place in attribution.references("north")}
    assert not {name for name in names if name.startswith(("north", "student"))}
    assert len(names) == N_PLAIN + 6


@pytest.mark.parametrize(("settings", "reason"), [
    (PassiveSettings(), "pool is too small"),
    (PassiveSettings(min_references=20), "too few prompts"),
])  # fmt: skip
def test_the_test_refuses_what_is_too_little(pool: Pool, settings: PassiveSettings, reason: str) -> None:
    found = finding(pool, suspect_answers("north"), settings=settings)
    assert not found.rejects
    assert any(reason in refusal for refusal in found.refusals)


def test_a_suspect_outside_of_the_pool_is_refused(pool: Pool) -> None:
    found = finding(pool, suspect_answers("north", share=0.0, n_words=2000))
    assert any("outside of the pool" in refusal for refusal in found.refusals)


def test_a_pool_that_cannot_separate_is_inconclusive() -> None:
    models, answers = world()
    muddled = [PoolModel(m.name, m.organisation, m.provider, ("north",), ("north",)) if m.name < "plain-10" and
               m.name.startswith("plain") else m for m in models]  # fmt: skip
    found = finding(build_pool(answers, muddled), suspect_answers("north"))
    assert any("cannot separate" in refusal for refusal in found.refusals)


def test_a_member_is_neither_reference_nor_relative_of_itself(pool: Pool) -> None:
    place = pool.place("north-0")
    attribution = Attribution(pool, pool_member(pool, place), EASY)
    assert place not in attribution.references("south")
    assert place not in attribution.families["north"]


def test_a_suspect_with_the_name_of_a_reference_is_refused(pool: Pool) -> None:
    with pytest.raises(ProvenanceError, match="reference and suspect"):
        outside_suspect(pool, "plain-00", suspect_answers(None))


def test_a_suspect_from_outside_is_measured_as_a_member_is(pool: Pool) -> None:
    models, answers = world()
    rows = [row for row in answers.to_pylist() if row["model"] == "student-0"]
    smaller = build_pool(answers, [m for m in models if m.name != "student-0"])
    outside = Attribution(smaller, outside_suspect(smaller, "suspect", pa.Table.from_pylist(rows)), EASY)
    inside = Attribution(pool, pool_member(pool, pool.place("student-0")), EASY)
    assert outside.scores("north").values[-1] == pytest.approx(inside.scores("north").values[-1], rel=0.05)


def test_controls_stand_beside_the_result(pool: Pool) -> None:
    controls = {control.name: control for control in finding(pool, suspect_answers("north")).controls}
    assert set(controls) == {"decoy suspects for north", "decoy providers", "label permutation"}


def test_a_pool_read_back_is_the_same(pool: Pool, tmp_path: Path) -> None:
    pool.write(tmp_path / "pool")
    back = Pool.read(tmp_path / "pool")
    assert back.models == pool.models
    np.testing.assert_array_equal(back.closeness, pool.closeness)
    answers = suspect_answers("north")
    assert finding(back, answers) == finding(pool, answers)


def test_pools_hold_no_text(pool: Pool, tmp_path: Path) -> None:
    pool.write(tmp_path / "pool")
    assert not any(b"topic7x" in path.read_bytes() for path in (tmp_path / "pool").iterdir())


def test_a_folder_without_a_pool_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="pool build"):
        Pool.read(tmp_path)


def test_references_of_another_era_are_left_out() -> None:
    models, answers = world()
    dated = [PoolModel(m.name, m.organisation, m.provider, m.relatives, m.descends_from,
                       2015 if m.name == "plain-00" else 2024) for m in models]  # fmt: skip
    pool = build_pool(answers, dated)
    suspect = outside_suspect(pool, "suspect", suspect_answers(None))
    assert pool.place("plain-00") not in Attribution(pool, suspect, EASY, year=2024).references("north")


def test_structure_tells_transcripts_apart_that_share_no_words() -> None:
    rng = np.random.default_rng(2)
    habits = {"north": (["search", "read", "edit", "run"], "# Plan\n1. {}\n```py\ndef f():\n    return {}\n```"),
              "south": (["read", "edit"], "{}\n- {}\n- {}")}  # fmt: skip
    models = [PoolModel(f"{p}-{i}", p, p, (p,)) for p in habits for i in range(2)]
    models += [PoolModel(f"plain-{i:02}", f"plain{i}") for i in range(N_PLAIN)]
    tools, plain = (
        ["search", "read", "edit", "run", "test", "ask"],
        ["{}", "- {}", "1. {}", "{}:", "# {}", "    {} = 1"],
    )

    def row(prompt: int, name: str, voice: str | None) -> dict[str, object]:
        words = iter(f"w{rng.integers(1 << 30)}" for _ in range(99))
        if voice:
            names, shape = habits[voice]
            shape += "".join("\n" + str(rng.choice(plain)) for _ in range(3))
        else:
            names, shape = list(rng.choice(tools, 4)), "\n".join(rng.choice(plain, 7))
        text = "".join(
            part + (next(words) if i < shape.count("{}") else "") for i, part in enumerate(shape.split("{}"))
        )
        return {"prompt_id": str(prompt), "model": name, "output": text, "tool_names": [str(n) for n in names]}

    rows = [row(p, m.name, m.provider or None) for p in range(30) for m in models]
    pool = build_pool(pa.Table.from_pylist(rows), models, channels=("structure",))
    student = pa.Table.from_pylist([row(p, "s", "north") for p in range(30)])
    assert finding(pool, student).p_value == pytest.approx(1 / (N_PLAIN + 2 + 1))
    assert finding(pool, student, "south").p_value > 0.05

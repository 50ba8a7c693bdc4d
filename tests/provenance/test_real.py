"""Passive attribution on real answers of real models (AlpacaEval): what the acceptance figures promise."""

import csv
from pathlib import Path

import numpy as np
import pytest

from stillwatch.provenance.answers import read_answers
from stillwatch.provenance.passive import Attribution, Pool, PoolModel, attribute, build_pool, pool_member
from stillwatch.provenance.passive.audit import held_out_p
from stillwatch.provenance.settings import PassiveSettings
from stillwatch.provenance.verdict import Verdict, reach

pytestmark = pytest.mark.slow

MODELS = Path(__file__).resolve().parents[2] / "benchmarks" / "provenance_models.csv"
TARGETS = ("anthropic", "llama-2", "llama-3", "mistral", "google", "qwen")
STUDENT = "claude2-alpaca-13b"
HUMAN = ("guanaco-7b", "guanaco-13b", "oasst-sft-llama-33b", "oasst-sft-pythia-12b")


@pytest.fixture(scope="module")
def pool(shared_data: Path) -> Pool:
    with MODELS.open(encoding="utf-8") as stream:
        models = [
            PoolModel(row["model"], row["organisation"], row["provider"], tuple(row["relatives"].split(";")),
                      tuple(row["descends_from"].split(";")), int(row["year"])) for row in csv.DictReader(stream)
        ]  # fmt: skip
    return build_pool(read_answers(shared_data / "outputs-alpaca-eval" / "outputs.parquet", needs_model=True), models)


def verdict(pool: Pool, name: str, provider: str, settings: PassiveSettings | None = None) -> Verdict:
    suspect = pool_member(pool, pool.place(name))
    found = attribute(pool, suspect, provider, settings=settings or PassiveSettings(), rng=np.random.default_rng(1))
    return reach([found]).verdict


def test_the_known_student_stands_at_the_floor_with_100_prompts(pool: Pool) -> None:
    rng = np.random.default_rng(7)
    at_floor = 0
    for _ in range(20):
        prompts = np.sort(rng.choice(len(pool.prompts), 100, replace=False))
        tested = Attribution(pool, pool_member(pool, pool.place(STUDENT), prompts), PassiveSettings())
        floor = 1 / (tested.references("anthropic").size + 1)
        at_floor += tested.scores("anthropic").p_value == pytest.approx(floor)
    assert at_floor >= 19


@pytest.mark.parametrize("provider", TARGETS)
def test_decoy_suspects_are_flagged_at_most_at_eight_percent(pool: Pool, provider: str) -> None:
    tested = Attribution(pool, pool_member(pool, pool.place(HUMAN[0])), PassiveSettings())
    assert np.mean(held_out_p(tested, provider) <= 0.05) <= 0.08


def test_the_known_student_is_consistent_with_its_teacher(pool: Pool) -> None:
    assert verdict(pool, STUDENT, "anthropic") is Verdict.CONSISTENT


@pytest.mark.parametrize("min_references", [30, 100])
def test_the_family_that_the_pool_cannot_separate_is_inconclusive(pool: Pool, min_references: int) -> None:
    settings = PassiveSettings(min_references=min_references)
    assert verdict(pool, "vicuna-7b", "openai", settings) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", HUMAN)
def test_models_of_human_answers_are_never_consistent_with_anyone(pool: Pool, name: str) -> None:
    found = {verdict(pool, name, provider, PassiveSettings(min_references=30)) for provider in (*TARGETS, "openai")}
    assert found <= {Verdict.NO_EVIDENCE, Verdict.INCONCLUSIVE}

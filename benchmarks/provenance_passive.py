"""How passive attribution fares on real answers of real models: AlpacaEval's 805 prompts, 126 models.

Prints, for each provider: clean references, false positives with the reference's organisation held out, and how known
descendants stand out; then the known student of one provider, the top provider of derived models, the provider that
the pool cannot separate, and models trained on human answers. The pool is built once into --cache.

    python benchmarks/provenance_passive.py [--data ../shared/data] [--cache DIR] [--seed 7] [--draws 40]

`provenance_models.csv` beside it declares organisation, family, relatives, known origin and year of each model, by
the models' own cards and papers.
"""

import argparse
import csv
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from stillwatch.provenance.answers import read_answers
from stillwatch.provenance.passive import (
    Attribution,
    Pool,
    PoolModel,
    attribute,
    build_pool,
    outside_suspect,
    pool_member,
)
from stillwatch.provenance.passive.audit import LEVELS, held_out_p, separation
from stillwatch.provenance.settings import PassiveSettings
from stillwatch.provenance.verdict import Verdict, reach

HERE = Path(__file__).resolve().parent
TARGETS = ("anthropic", "llama-2", "llama-3", "mistral", "google", "qwen")
INSEPARABLE = "openai"
STUDENT, TEACHER = "claude2-alpaca-13b", "anthropic"
HUMAN = ("guanaco-7b", "guanaco-13b", "oasst-sft-llama-33b", "oasst-sft-pythia-12b")
SIBLINGS = {"Qwen1.5-7B-Chat": "qwen", "Meta-Llama-3-8B-Instruct": "llama-3",
            "llama-2-7b-chat-hf": "llama-2", "Mistral-7B-Instruct-v0.2": "mistral"}  # fmt: skip
COPIES = {"aligner-2b_qwen1.5-72b-chat": "gpt4_1106_preview", "aligner-2b_claude-3-opus-20240229": "gpt4_1106_preview"}
"""Published as corrections of one model's answers; their answers mostly repeat another model's."""


def declared_models(path: Path) -> list[PoolModel]:
    """The models of the table, lists separated by semicolons."""
    with path.open(encoding="utf-8") as stream:
        return [
            PoolModel(
                row["model"], row["organisation"], row["provider"], tuple(filter(None, row["relatives"].split(";"))),
                tuple(filter(None, row["descends_from"].split(";"))), int(row["year"]),
            )
            for row in csv.DictReader(stream)
        ]  # fmt: skip


def cached_pool(data: Path, cache: Path) -> Pool:
    """The pool of the real answers, built on first use."""
    if not (cache / "pool.json").exists():
        started = time.process_time()
        answers = read_answers(data / "outputs-alpaca-eval" / "outputs.parquet", needs_model=True)
        build_pool(answers, declared_models(HERE / "provenance_models.csv")).write(cache)
        print(f"pool built in {time.process_time() - started:.0f} s of CPU")
    return Pool.read(cache)


def attribution_of(pool: Pool, name: str, settings: PassiveSettings) -> Attribution:
    return Attribution(pool, pool_member(pool, pool.place(name)), settings)


def print_targets(pool: Pool, settings: PassiveSettings) -> None:
    print("\n| provider | clean references | flagged at 5 % | at 1 % | known descendants | area | at the level |")
    print("|---" * 7 + "|")
    neutral = attribution_of(pool, HUMAN[0], settings)
    for provider in (*TARGETS, INSEPARABLE):
        p_values = held_out_p(neutral, provider)
        power = separation(neutral, provider)
        shares = " | ".join(f"{np.mean(p_values <= level):.1%}" for level in LEVELS)
        print(f"| {provider} | {p_values.size} | {shares} | {power.n_descendants} | {power.area:.2f} "
              f"| {power.detected:.0%} |")  # fmt: skip


def print_student(pool: Pool, settings: PassiveSettings, rng: np.random.Generator, n_draws: int) -> None:
    place = pool.place(STUDENT)
    for n_prompts in (20, 50, 100, 200):
        n_floor = 0
        for _ in range(n_draws):
            prompts = np.sort(rng.choice(len(pool.prompts), n_prompts, replace=False))
            attribution = Attribution(pool, pool_member(pool, place, prompts), settings)
            floor = 1 / (attribution.references(TEACHER).size + 1)
            n_floor += attribution.scores(TEACHER).p_value <= floor * (1 + 1e-9)
        print(f"known student, {n_prompts} prompts: at the floor {floor:.4f} in {n_floor} of {n_draws} draws")


def print_derived(pool: Pool, settings: PassiveSettings) -> None:
    derived = {model.name: origin for model in pool.models for origin in model.descends_from
               if origin in TARGETS and model.name != STUDENT}  # fmt: skip
    for name, other in COPIES.items():
        share = float(pool.closeness[0, :, pool.place(name), pool.place(other)].mean(dtype=np.float32))
        print(f"{name}: mean closeness in phrases to {other} {share:.2f}")
    suspects = {name: attribution_of(pool, name, settings) for name in {**derived, **SIBLINGS}}
    wider = {name: attribution.with_descendants() for name, attribution in suspects.items()}
    no_copies = {name: origin for name, origin in derived.items() if name not in COPIES}
    for title, own in (("providers' own models", suspects), ("with known descendants", wider)):
        six = {name: own[name].best_fit(p for p in TARGETS if p in own[name].families) for name in own}
        print_top(f"{title}, of six providers, as declared", derived, six)
        print_top(f"{title}, of six providers, without those that repeat another model", no_copies, six)
        print_top(f"{title}, of six providers, with smaller siblings", {**no_copies, **SIBLINGS}, six)
        every = {name: own[name].best_fit(own[name].families) for name in own}
        print_top(f"{title}, of all providers, as declared", derived, every)


def print_top(title: str, truth: dict[str, str], hits: dict[str, str]) -> None:
    shares = [np.mean([hits[name] == provider for name, said in truth.items() if said == provider])
              for provider in sorted(set(truth.values()))]  # fmt: skip
    misses = [f"{name} -> {hits[name]}" for name, provider in truth.items() if hits[name] != provider]
    total = np.mean([hits[name] == provider for name, provider in truth.items()])
    print(f"derived, {title}: top-1 {total:.2f} of {len(truth)}, balanced {np.mean(shares):.2f}; "
          f"missed: {', '.join(misses) or 'none'}")  # fmt: skip


def print_verdicts(pool: Pool, settings: PassiveSettings, seed: int) -> None:
    small_pool = PassiveSettings(min_references=30)
    cases = [(STUDENT, TEACHER, settings), ("vicuna-7b", INSEPARABLE, settings), ("vicuna-7b", INSEPARABLE, small_pool)]
    cases += [(name, provider, settings) for name in HUMAN for provider in TARGETS]
    cases += [(name, INSEPARABLE, small_pool) for name in HUMAN]
    for name, provider, rules in cases:
        started = time.process_time()
        suspect = pool_member(pool, pool.place(name))
        finding = attribute(pool, suspect, provider, settings=rules, rng=np.random.default_rng(seed))
        verdict = reach([finding]).verdict
        if name not in HUMAN or verdict is not Verdict.NO_EVIDENCE:
            print(f"{name} from {provider} ({rules.min_references} references needed): {verdict}, "
                  f"p {finding.p_value:.3g}, {'; '.join(finding.refusals) or 'no refusal'} "
                  f"({time.process_time() - started:.1f} s of CPU)")  # fmt: skip
    print(f"{len(HUMAN)} models trained on human answers: no other verdict than the above in {len(cases) - 3} tests")


def print_cost(data: Path, cache: Path, settings: PassiveSettings, seed: int) -> None:
    """CPU of one suspect from its answers to its finding, the pool read from disk."""
    answers = read_answers(data / "outputs-alpaca-eval" / "outputs.parquet", needs_model=True)
    own = answers.filter(pc.equal(answers["model"], STUDENT)).drop_columns(["model"])
    started = time.process_time()
    pool = Pool.read(cache)
    suspect = outside_suspect(pool, "suspect", own)
    finding = attribute(pool, suspect, TEACHER, settings=settings, rng=np.random.default_rng(seed))
    print(f"one suspect of {finding.n} answers, from file to finding: {time.process_time() - started:.1f} s of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "stillwatch-alpaca-pool")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--draws", type=int, default=40)
    arguments = parser.parse_args()
    settings = PassiveSettings()
    pool = cached_pool(arguments.data, arguments.cache)
    size = f"{len(pool.models)} models, {len(pool.prompts)} prompts"
    print(f"Python {platform.python_version()}, {platform.machine()}, seed {arguments.seed}; {size}")
    print_targets(pool, settings)
    print_student(pool, settings, np.random.default_rng(arguments.seed), arguments.draws)
    print_derived(pool, settings)
    print_verdicts(pool, settings, arguments.seed)
    print_cost(arguments.data, arguments.cache, settings, arguments.seed)


if __name__ == "__main__":
    main()

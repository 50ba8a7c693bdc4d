"""How the keyed tests and the test of twins fare: false positives on real outputs, power, and tiny students.

python benchmarks/provenance_keyed.py [--data ../shared/data] [--seed 7] [--keys 2000] [--students 5] [--twins 100]
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from stillwatch.provenance.answers import read_answers
from stillwatch.provenance.canary.carriers import CARRIERS
from stillwatch.provenance.canary.keyrank import observed_cells
from stillwatch.provenance.canary.keys import decoy_keys
from stillwatch.provenance.canary.marks import Pairs, green
from stillwatch.provenance.canary.power import simulated_power
from stillwatch.provenance.demo.ngram import NGrams
from stillwatch.provenance.demo.run import marked_students, twin_students
from stillwatch.provenance.files import prompt_classes
from stillwatch.provenance.passive.channels import word_tokens
from stillwatch.stats.random_sums import bernoulli_sum

SHARE = 0.25
LEVELS = (1e-2, 1e-3)
N_MODELS = 20
N_ANSWERS = 100


def print_flagged(title: str, p_values: np.ndarray) -> None:
    shares = ", ".join(f"{np.mean(p_values <= level):.2%} at {level:g}" for level in LEVELS)
    print(f"{title}: {p_values.size:,} null key draws on {N_MODELS} models; flagged {shares}")


def real_answers(data: Path, rng: np.random.Generator) -> list[tuple[pa.Array, pa.Array]]:
    """Prompts and answers of some models."""
    folder = data / "outputs-alpaca-eval"
    answers = read_answers(folder / "outputs.parquet", needs_model=True)
    prompts = read_answers_prompts(folder / "prompts.parquet")
    names = sorted(set(answers["model"].to_pylist()))
    chosen = rng.choice(names, N_MODELS, replace=False)
    found = []
    for name in chosen:
        own = answers.filter(pc.equal(answers["model"], name))
        place = pc.index_in(own["prompt_id"], value_set=prompts["prompt_id"].cast(pa.string()).combine_chunks())
        found.append((prompts["text"].combine_chunks().take(place.combine_chunks()), own["output"].combine_chunks()))
    return found


def read_answers_prompts(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def print_null(models: list[tuple[pa.Array, pa.Array]], n_keys: int) -> None:
    """Both keyed tests under random keys on real answers, beside the count of all tokens that must not be used."""
    slots, marks, naive = [], [], []
    for number, (prompts, outputs) in enumerate(models):
        keys = decoy_keys(b"null", str(number), n_keys // len(models))
        cells = observed_cells(outputs, prompt_classes(prompts))
        null = cells.null
        slots += [null.at_least(int(score)) for score in cells.scores(keys)]
        tokens = word_tokens(outputs.slice(0, N_ANSWERS))
        pairs = Pairs.of([part.astype(np.int64) for part in np.split(tokens.codes, tokens.ends[:-1])])
        null = bernoulli_sum(pairs.weights, SHARE)
        counts = np.rint((pairs.weights / 4) ** 2)
        for key in keys:
            is_green = green([key], pairs.previous, pairs.token, SHARE)[0]
            marks.append(null.at_least(int(is_green @ pairs.weights)))
            naive.append(stats.binom.sf(int(is_green @ counts) - 1, int(counts.sum()), SHARE))
    print_flagged("phrase slots and markers", np.array(slots))
    print_flagged("token pairs, weighted", np.array(marks))
    print_flagged("token pairs counted one by one (never used)", np.array(naive))


def print_power(seed: int) -> None:
    for n_cells, taste in ((655, 0.0), (48, 0.0), (48, 1.0)):
        power = simulated_power(n_options=8, following=0.1, n_outputs=655, n_cells=n_cells, alpha=1e-6, n_runs=400,
                                rng=np.random.default_rng(seed), concentration=taste)  # fmt: skip
        print(f"power at 1e-6, 8 options, 10 % following, 655 outputs, {n_cells} cells, taste {taste:g}: {power:.3f}")
    print(f"a default plan has {len(CARRIERS) * 8} cells")


def print_students(seed: int, n_students: int) -> None:
    for number in range(n_students):
        for outcome in marked_students(NGrams(), np.random.default_rng(seed + number), 400, 1500):
            finding = outcome.finding
            print(f"seed {seed + number}, {outcome.suspect}: z {finding.effect_value:.1f}, p {finding.p_value:.2g}")


def print_twins(seed: int, n_runs: int) -> None:
    """P-values of controls; the discrete p is spread over its step, so that uniformity can be tested."""
    p_values, worst = [], 0.0
    rng = np.random.default_rng(seed)
    for number in range(n_runs):
        findings = {o.suspect: o.finding for o in twin_students(NGrams(), np.random.default_rng(seed + number), 150)}
        worst = max(worst, findings["student of the served answers"].p_value)
        control = findings["student of other answers of the teacher"]
        n_for = round(control.effect_value * control.n)
        low, high = stats.binom.sf(n_for, control.n, 0.5), stats.binom.sf(n_for - 1, control.n, 0.5)
        p_values.append(rng.uniform(low, high))
    uniform = stats.kstest(p_values, "uniform").pvalue
    flagged = np.mean(np.array(p_values) <= 0.05)
    print(f"twins over {n_runs} seeds: students of served answers, largest p {worst:.1g}; students of other answers, "
          f"Kolmogorov-Smirnov p {uniform:.2f}, {flagged:.1%} at 0.05")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent.parent.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--students", type=int, default=5)
    parser.add_argument("--twins", type=int, default=100)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, seed {arguments.seed}")
    print_null(real_answers(arguments.data, np.random.default_rng(arguments.seed)), arguments.keys)
    print_power(arguments.seed)
    print_students(arguments.seed, arguments.students)
    print_twins(arguments.seed, arguments.twins)


if __name__ == "__main__":
    main()

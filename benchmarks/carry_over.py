"""How far cells and capability tags carry over from the sources that are known to one that is not.

For each source of real prompts: the AUC of telling it from the sources of the other class (distilling or honest) by a
log-likelihood ratio over a histogram, once with half of the source among the known ones and once with the source left
out. An AUC of 0.5 is a coin. Then the share of each capability tag in each source, how much material its prompts
have, and how often their skeletons are shared.

    python benchmarks/carry_over.py [--data ../shared/data] [--seed 7] [--sample 4000]
"""

import argparse
import platform
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.sketches import sketch_prompts
from stillwatch.sketches.kinds import KIND_MASK, PLAIN
from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanning import scanned

CAPABILITIES = ("agentic", "software", "planning", "tool use", "data", "reasoning", "grading", "other")  # by code
EXPECTED = {
    "distill-evol-code": {1}, "distill-codealpaca": {1}, "distill-metatool": {0, 3}, "distill-apibench": {0, 3},
    "distill-logic-rl": {5}, "distill-grading-llmbar": {6}, "distill-tau-bench": {0, 3}, "distill-alpaca52k": {7},
    "benign-clinc150": {7}, "benign-sgd": {7}, "benign-dolly15k": {7}, "benign-eval-gsm8k": {5, 7},
}  # fmt: skip
FEATURES = {"cell": 256, "micro_cell": 4096, "capability": 8}
ALL_WORDS = 1 << 30
SLOT = 0
SKELETON_RULES = (
    (ALL_WORDS, 0),
    (24, 4),
    (24, 0),
    (16, 4),
    (16, 0),
    (12, 0),
    (8, 0),
)  # words from the front, from the back
POOL = 20  # prompts of one imagined account

Values = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """One set of prompts: its sketches in random order."""

    name: str
    prompts: pa.StringArray
    sketches: pa.RecordBatch

    @property
    def is_distilling(self) -> bool:
        """Whether the set was made to train another model."""
        return self.name.startswith("distill")

    def values(self, feature: str, half: int) -> Values:
        """Values of a column in the first (0: known) or second (1: tested) half."""
        column = self.sketches[feature].to_numpy().astype(np.int64)
        return column[half::2]


def read_source(folder: Path, rng: np.random.Generator, n_sample: int) -> Source:
    """Distinct user prompts of a folder with the system instructions of their conversation."""
    table = pq.read_table(next(folder.glob("*.parquet")), columns=["conversation_id", "role", "text"])
    system = table.filter(pc.field("role") == "system").group_by("conversation_id").aggregate([("text", "min")])
    users = table.filter((pc.field("role") == "user") & (pc.utf8_length(pc.field("text")) > 0))
    users = users.join(system, "conversation_id").group_by("text").aggregate([("text_min", "min")]).sort_by("text")
    users = users.take(rng.permutation(users.num_rows)[:n_sample])
    texts, systems = (users[name].combine_chunks() for name in ("text", "text_min_min"))
    return Source(folder.name, texts, sketch_prompts(texts, systems, pa.nulls(len(texts), pa.string())))


def auc(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float:
    """Chance that a positive scores above a negative, ties counted half."""
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left")
    up_to = np.searchsorted(order, positive, "right")
    return float((below + up_to).mean() / 2 / negative.size)


def histogram(sources: list[Source], feature: str) -> npt.NDArray[np.float64]:
    """Mean share of each value over sources, so that a large source does not outweigh the others."""
    size = FEATURES[feature]
    shares = [np.bincount(source.values(feature, 0), minlength=size) + 0.5 for source in sources]
    return np.mean([share / share.sum() for share in shares], axis=0)


def pooled(scores: npt.NDArray[np.float64], n_pool: int) -> npt.NDArray[np.float64]:
    """Mean score of each run of `n_pool` prompts."""
    n_whole = scores.size // n_pool * n_pool
    return scores[:n_whole].reshape(-1, n_pool).mean(axis=1)


def carry_over(held: Source, sources: list[Source], feature: str, *, is_known: bool, n_pool: int) -> float:
    """AUC of the held source against the other class, with or without half of it among the known sources."""
    known = [source for source in sources if is_known or source.name != held.name]
    own = histogram([source for source in known if source.is_distilling == held.is_distilling], feature)
    other = histogram([source for source in known if source.is_distilling != held.is_distilling], feature)
    ratio = np.log(own / other)
    against = [source for source in sources if source.is_distilling != held.is_distilling]
    n_least = min(source.values(feature, 1).size for source in against)
    negative = [pooled(ratio[source.values(feature, 1)[:n_least]], n_pool) for source in against]
    return auc(pooled(ratio[held.values(feature, 1)], n_pool), np.concatenate(negative))


def print_carry_over(sources: list[Source], n_pool: int) -> None:
    features = list(FEATURES)
    print(f"\n### AUC by source, {n_pool} prompt(s) at a time: known / left out\n")
    print("| source | " + " | ".join(features) + " |\n" + "|---" * (len(features) + 1) + "|")
    means: list[list[float]] = []
    for held in sources:
        pairs = [
            [carry_over(held, sources, feature, is_known=is_known, n_pool=n_pool) for is_known in (True, False)]
            for feature in features
        ]
        means.append([value for pair in pairs for value in pair])
        print(f"| {held.name} | " + " | ".join(f"{known:.2f} / {left:.2f}" for known, left in pairs) + " |")
    mean = np.mean(means, axis=0).reshape(-1, 2)
    print("| **mean** | " + " | ".join(f"**{known:.2f} / {left:.2f}**" for known, left in mean) + " |")


def print_capabilities(sources: list[Source]) -> None:
    print("\n### Capability tags, percent of distinct prompts (expected in bold)\n")
    print("| source | " + " | ".join(CAPABILITIES) + " | as expected | asks reasoning | asks grading |")
    print("|---" * (len(CAPABILITIES) + 4) + "|")
    for source in sources:
        codes = source.sketches["capability"].to_numpy()
        shares = 100 * np.bincount(codes, minlength=len(CAPABILITIES)) / codes.size
        expected = EXPECTED.get(source.name, set())
        cells = [f"**{share:.0f}**" if code in expected else f"{share:.0f}" for code, share in enumerate(shares)]
        hit = f"{sum(shares[code] for code in expected):.0f}" if expected else "mixed"
        asks = [100 * pc.mean(source.sketches[name]).as_py() for name in ("asks_reasoning", "asks_grading")]
        print(f"| {source.name} | " + " | ".join(cells) + f" | {hit} | {asks[0]:.0f} | {asks[1]:.0f} |")


def print_materials(sources: list[Source]) -> None:
    print("\n### Materials of a prompt\n")
    print("| source | characters | materials | prompts without (%) | bins seen | prompts with the commonest bin (%) |")
    print("|---" * 6 + "|")
    for source in sources:
        column = source.sketches["materials"]
        lengths = pc.list_value_length(column).to_numpy()
        counts = np.bincount(column.flatten().to_numpy(), minlength=1)
        n_characters = pc.mean(source.sketches["n_chars"]).as_py()
        print(
            f"| {source.name} | {n_characters:,.0f} | {lengths.mean():.2f} | {100 * np.mean(lengths == 0):.0f} "
            f"| {np.count_nonzero(counts):,} | {100 * counts.max() / lengths.size:.0f} |"
        )


def skeleton_words(prompts: pa.StringArray) -> list[list[int]]:
    """Skeleton words of each prompt: the hash of a plain word, SLOT for a run of anything else."""
    words = scanned(TextRows.of(prompts))
    starts = [0, *words.ends[:-1].tolist()]
    hashes = np.where(words.kinds & KIND_MASK == PLAIN, words.words.view(np.int64), SLOT)
    is_kept = np.append(True, (hashes[1:] != SLOT) | (hashes[:-1] != SLOT))
    bounds = zip(starts, words.ends.tolist(), strict=True)
    return [
        [word for word, kept in zip(hashes[a:b].tolist(), [True, *is_kept[a + 1 : b]], strict=False) if kept]
        for a, b in bounds
    ]


def print_skeletons(sources: list[Source]) -> None:
    print("\n### Percent of distinct prompts whose skeleton is shared by 1 other or more (by 4 others or more)\n")
    print("| words hashed | " + " | ".join(source.name.partition("-")[2] for source in sources) + " |")
    print("|---" * (len(sources) + 1) + "|")
    skeletons = [skeleton_words(source.prompts) for source in sources]
    for head, tail in SKELETON_RULES:
        cells = []
        for lists in skeletons:
            keys = [tuple(own[:head] + own[max(head, len(own) - tail) :]) for own in lists]
            sizes = Counter(keys)
            shared = [100 * np.mean([sizes[key] >= least for key in keys]) for least in (2, 5)]
            cells.append(f"{shared[0]:.1f} ({shared[1]:.1f})")
        name = "all" if head == ALL_WORDS else f"first {head}" + (f" and last {tail}" if tail else "")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent.parent.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sample", type=int, default=4000, help="distinct prompts taken of each source")
    arguments = parser.parse_args()
    folders = sorted(path for kind in ("distill-*", "benign-*") for path in arguments.data.glob(kind))
    if not folders:
        sys.exit(f"no distill-* or benign-* folder in {arguments.data}")
    rng = np.random.default_rng(arguments.seed)
    sources = [read_source(folder, rng, arguments.sample) for folder in folders]
    command = f"`python benchmarks/carry_over.py --seed {arguments.seed} --sample {arguments.sample}`"
    print(f"{command}, Python {platform.python_version()}, {platform.machine()}")
    for n_pool in (1, POOL):
        print_carry_over(sources, n_pool)
    print_capabilities(sources)
    print_materials(sources)
    print_skeletons(sources)


if __name__ == "__main__":
    main()

"""What a curious partner with public prompt sets learns from shared tokens within the budgets of the policy.

python benchmarks/matching_attack.py --data ../shared/data [--seed 6]

A laboratory holds tokens of public prompts, of the same prompts with one word changed, and of invented ones. The
partner's dictionary is every prompt of the sets. The first session goes through the protocol; later ones are plain
intersections, which tests show equal to it.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from private_matching import POLICY, Wire, matched
from stillwatch.guard.review import LEAST_SHINGLES
from stillwatch.pipeline.sharing import LEAST_LIKENESS
from stillwatch.sharing.matching.kept import LEAST_OWN
from stillwatch.sharing.matching.session import bucket
from stillwatch.sharing.traits import keyed_sketch, likeness
from stillwatch.sketches import prompt_tokens

SETS = (
    "outputs-alpaca-eval", "benign-eval-gsm8k", "benign-dolly15k", "benign-arena-hard", "benign-clinc150",
    "distill-alpaca52k", "distill-codealpaca", "distill-evol-code", "distill-logic-rl", "distill-metatool",
    "distill-grading-llmbar",
)  # fmt: skip
PER_SET = 5
MOST = 5000
"""Prompts of one set in the dictionary."""
SHORT = 16
"""Shingles of a shorter template than the guard lets out, to show what its floor is for."""
WORDS = (
    "restate", "puzzle", "solve", "twice", "compare", "cleaner", "solution", "derive", "label", "argue", "verify",
    "sketch", "plan", "tool", "call", "recover", "error", "branch", "prune", "score", "rank", "explain", "critique",
)  # fmt: skip
CANARIES = 20
DRAWS = 400
LIMITS = POLICY.matching


def prompts_of(folder: Path, rng: np.random.Generator) -> list[str]:
    rows = pq.read_table(folder / "prompts.parquet")
    if "role" in rows.column_names:
        rows = rows.filter(pc.equal(rows["role"], "user"))
    found = pc.unique(rows["text"]).drop_null().to_pylist()
    found = [text for text in found if text.strip()]
    return [found[at] for at in sorted(rng.choice(len(found), min(MOST, len(found)), replace=False))]


def one_word_changed(prompt: str, rng: np.random.Generator) -> str:
    words = prompt.split(" ")
    long = [at for at, word in enumerate(words) if word.isalpha() and len(word) > 3] or list(range(len(words)))
    words[rng.choice(long)] = "zeppelin"
    return " ".join(words)


def invented(rng: np.random.Generator) -> str:
    """A template of a campaign's own; numbers would not tell two apart, since skeletons mask them."""
    return f"You are a careful worker. {' '.join(rng.choice(WORDS, 40))}. Give each step of the derivation."


def skeletons(prompts: Sequence[str]) -> list[str]:
    return [f"{prompt_tokens(prompt).skeleton & (1 << 64) - 1:016x}" for prompt in prompts]


def guessable(n_own: int) -> int:
    """How many guesses the policy lets a partner bring beside a set of `n_own` items."""
    size = bucket(LIMITS.max_items)
    while size > LIMITS.max_ratio * max(n_own, LEAST_OWN):
        size //= 2
    return size


def reveals(held: dict[str, set[str]], both: list[str], guesses: list[str], size: int) -> None:
    """With the consent of a person on both sides, session after session, beside tokens that both hold anyway."""
    n_sessions = min(LIMITS.max_sessions, LIMITS.max_points // size)
    own, n_guesses = set().union(*held.values()), size - len(both)
    asking, _ = matched([*both, *guesses[:n_guesses]], sorted({*own, *both}), Wire())
    assert {asking.items[place].text for place in asking.hits or ()} == own & set(guesses[:n_guesses]) | set(both)
    print(f"\n{len(own)} tokens held; the policy lets the partner guess {size:,} in a session, {n_sessions} times.")
    print("| learned, where people consent to every reveal | held | after one session | after the budget |")
    print("| --- | ---: | ---: | ---: |")
    for kind, tokens in held.items():
        counts = [len(tokens & set(guesses[: n_guesses * n])) for n in (1, n_sessions)]
        print(f"| {kind} | {len(tokens)} | {counts[0]} | {counts[1]} |")


def frozen(held: set[str], guesses: list[str], size: int, rng: np.random.Generator) -> None:
    """How long the partner goes on when some public prompts that nobody sent are canaries."""
    baits = np.array([guess for guess in guesses if guess not in held])
    places = {guess: at for at, guess in enumerate(guesses)}
    firsts = [min(places[bait] for bait in rng.choice(baits, CANARIES, replace=False)) // size for _ in range(DRAWS)]
    learned = [len(held & set(guesses[: size * (first + 1)])) for first in firsts]
    print(
        f"\nWith {CANARIES} canaries of these sets ({DRAWS} draws) it is frozen after {np.median(firsts) + 1:.0f} "
        f"session(s) in the median, at most {max(firsts) + 1}, and has learned {np.median(learned):.0f} of "
        f"{len(held)} tokens, at most {max(learned)}."
    )


def counts_only(held: set[str], guesses: list[str], size: int) -> None:
    """What counts alone pin down, by halving: a changed program sees exact ones, also below the agreed number."""
    n_common = len(held & set(guesses[:size]))
    stack, n_found, n_asked = [(guesses[:size], n_common)], 0, 1
    while stack and n_asked < LIMITS.max_sessions:
        some, n = stack.pop()
        if len(some) == n:
            n_found += n
            continue
        half, rest = some[: len(some) // 2], some[len(some) // 2 :]
        n_half, n_asked = len(held & set(half)), n_asked + 1
        stack += [(part, count) for part, count in ((rest, n - n_half), (half, n_half)) if count]
    print(
        f"\nWithout a reveal, halving {size:,} guesses by exact counts pins down {n_found} of {n_common} common "
        f"tokens in the {LIMITS.max_sessions} sessions of {LIMITS.days} days."
    )


def sketched(texts_of: dict[str, list[str]], least: int) -> None:
    """What a member of the sharing group recognises by the group's key, and others do not.

    Templates of `least` shingles or more are sent; the dictionary holds every public one.
    """
    key, other = bytes(range(32)), bytes(range(1, 33))
    public = [list(prompt_tokens(text).shingles) for text in texts_of["public"]]
    mine, blind = ([keyed_sketch(shingles, one) for shingles in public] for one in (key, other))
    print(f"\n| sketches, at least {least} shingles | sent | recognised by a member | without the key |")
    print("| --- | ---: | ---: | ---: |")
    for kind, texts in texts_of.items():
        shingles = [list(prompt_tokens(text).shingles) for text in texts]
        sent = [keyed_sketch(some, key) for some in shingles if len(some) >= least]
        told = [
            sum(any(likeness(one, guess) >= LEAST_LIKENESS for guess in by) for one in sent) for by in (mine, blind)
        ]
        print(f"| {kind} | {len(sent)} of {len(texts)} | {told[0]} | {told[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, Python {platform.python_version()}, load {load:.0f}, seed {options.seed}\n")
    print("| public set | prompts | distinct skeletons | long enough to be sketched |\n| --- | ---: | ---: | ---: |")
    dictionary: list[str] = []
    public: list[str] = []
    longest: list[str] = []
    for name in SETS:
        prompts = prompts_of(options.data / name, rng)
        tokens = [prompt_tokens(prompt) for prompt in prompts]
        long = [text for text, one in zip(prompts, tokens, strict=True) if len(one.shingles) >= LEAST_SHINGLES]
        n_distinct = len({one.skeleton for one in tokens})
        print(f"| {name} | {len(prompts):,} | {n_distinct:,} | {len(long) / len(prompts):.1%} |")
        dictionary += prompts
        public += [prompts[at] for at in rng.choice(len(prompts), PER_SET, replace=False)]
        by_length = sorted(zip((-len(one.shingles) for one in tokens), prompts, strict=True))
        longest += [text for _, text in by_length[:PER_SET]]
    changed = [one_word_changed(text, rng) for text in public]
    made_up = [invented(rng) for _ in public]
    both = skeletons([invented(rng) for _ in range(LIMITS.least_reveal)])
    held = {"public": set(skeletons(public)), "one word changed": set(skeletons(changed)) - set(skeletons(public)),
            "invented": set(skeletons(made_up))}  # fmt: skip
    guesses = [str(guess) for guess in rng.permutation(sorted(set(skeletons(dictionary))))]
    own = set().union(*held.values())
    size = guessable(len(own))
    reveals(held, both, guesses, size)
    frozen(own, guesses, size, rng)
    counts_only(own, guesses, size)
    varied = [one_word_changed(text, rng) for text in longest]
    for least in (LEAST_SHINGLES, SHORT):
        sketched({"public": longest, "one word changed": varied, "invented": made_up}, least)


if __name__ == "__main__":
    main()

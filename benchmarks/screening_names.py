"""Name screening: time of 25,000 names against 20,000, and precision and recall beside rapidfuzz and nomenklatura.

python benchmarks/screening_names.py --data ../shared/data/screening [--names 25000] [--entries 20000] [--seed 1]
    [--nomenklatura PYTHON]   an interpreter of an environment of its own, made with `pip install nomenklatura`
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from stillwatch.screening.likeness import compare
from stillwatch.screening.listed import Entry, Subject
from stillwatch.screening.lists import read_list
from stillwatch.screening.match import match_names, rarity_of
from stillwatch.screening.names import Kind, parse_name
from stillwatch.screening.outcome import Level
from stillwatch.screening.settings import Settings

CUTOFF = 88.0
"""Cut-off of rapidfuzz alone that is commonly used, and which the project's notes measured."""
PLANTED = 500
MIN_LETTERS = 8
"""Shorter listed names (tail marks, acronyms) are not planted: one changed letter makes another of them."""
KINDS = {"Person": Kind.PERSON, "Company": Kind.ORGANISATION, "Organization": Kind.ORGANISATION, "Vessel": Kind.VESSEL}
ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
)
RHYMES = ("a", "al", "an", "ar", "e", "el", "en", "er", "i", "in", "is", "o", "on", "or", "ov", "u", "ul", "um", "un")


def listed(data: Path, n: int) -> list[Entry]:
    """`n` listed names, each an entry of its own: OFAC with aliases, BIS, the CSL's sample, then UN names."""
    entries = [
        e for name in ("usgov_sdn.csv.gz", "usgov_dpl.txt.gz", "usgov_csl.csv.gz") for e in read_list(data / name, "l")
    ]
    names = [(name, entry.kind) for entry in entries for name in entry.names]
    names += [(name, Kind.PERSON) for name in column(data / "yente_positives_un_untreated.csv")]
    names = list(dict.fromkeys(names))
    rng = np.random.default_rng(0)
    while len(names) < n:
        names.append((made_up(rng), Kind.UNKNOWN))
    return [Entry("l", f"{at:06d}", name, kind) for at, (name, kind) in enumerate(names[:n])]


def column(path: Path, name: str = "full_name") -> list[str]:
    with path.open(encoding="utf-8") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def made_up(rng: np.random.Generator) -> str:
    words = ["".join(rng.choice(ONSETS) + rng.choice(RHYMES) for _ in range(rng.integers(2, 4))) for _ in range(2)]
    tail = ["", " trading", " systems llc", " group", " labs inc", " consulting gmbh"][int(rng.integers(6))]
    return " ".join(words) + tail


def misspelled(name: str, rng: np.random.Generator, kind: Kind) -> str:
    """The name with one letter doubled, dropped or swapped inside its longest word; people's words in another order."""
    words = name.split()
    longest = max(range(len(words)), key=lambda at: len(words[at]))
    words[longest] = changed(words[longest], rng)
    if kind is Kind.PERSON:
        rng.shuffle(words)
    return " ".join(words)


def scrambled(name: str, rng: np.random.Generator, kind: Kind) -> str:
    """The name with all words in another order and a character changed anywhere, spaces and dots too."""
    del kind
    words = name.split()
    rng.shuffle(words)
    return changed(" ".join(words), rng)


def changed(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, max(2, len(text) - 2)))
    change = int(rng.integers(3))
    if change == 0:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1 :] if change == 1 else text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]


def recombined(entries: Sequence[Entry], rng: np.random.Generator) -> str:
    """A person who is on no list: a word of one listed person and a word of another."""
    people = [entries[at].name.replace(",", "").split() for at in rng.integers(0, len(entries), 2)]
    return " ".join(str(rng.choice(words)) for words in people)


def speed(data: Path, n_names: int, n_entries: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    entries = listed(data, n_entries)
    people = [entry for entry in entries if entry.kind is Kind.PERSON]
    n_others = n_names - 2 * PLANTED
    named = [(made_up(rng), Kind.UNKNOWN) for _ in range(n_others // 2)]
    named += [(recombined(people, rng), Kind.PERSON) for _ in range(n_others - n_others // 2)]
    long = [at for at, entry in enumerate(entries) if len(entry.name) >= MIN_LETTERS]
    sources = rng.choice(long, 2 * PLANTED, replace=False)
    for change, chosen in ((misspelled, sources[:PLANTED]), (scrambled, sources[PLANTED:])):
        named += [(change(entries[at].name, rng, entries[at].kind), entries[at].kind) for at in chosen]
    subjects = [Subject(f"{at:06d}", "d", (name,), kind) for at, (name, kind) in enumerate(named)]
    start, work = time.perf_counter(), time.process_time()
    hits = match_names(subjects, entries, rarity_of(entries), Settings(threads=2))
    wall, cpu = time.perf_counter() - start, time.process_time() - work
    print(f"{n_names:,} names x {n_entries:,} entries: {wall:.1f} s wall, {cpu:.1f} s CPU, 2 threads")
    found = {(int(hit.account_id), hit.object_id) for hit in hits}
    flagged = np.zeros(n_names, bool)
    flagged[[int(hit.account_id) for hit in hits]] = True
    right = np.array([(n_others + at, entries[source].key) in found for at, source in enumerate(sources)])
    report("  stillwatch", right, flagged[:n_others])
    start, work = time.perf_counter(), time.process_time()
    right, flagged = brute_force([name for name, _ in named], entries, sources)
    wall, cpu = time.perf_counter() - start, time.process_time() - work
    report(f"  rapidfuzz alone ({wall:.1f} s wall, {cpu:.1f} s CPU)", right, flagged[:n_others])


def brute_force(names: list[str], entries: Sequence[Entry], sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair by the ratio of sorted words: which planted names find their source, and which names find anything."""
    left = [" ".join(sorted(name.lower().replace(",", "").split())) for name in names]
    right = [" ".join(sorted(entry.name.lower().replace(",", "").split())) for entry in entries]
    flagged, found = np.zeros(len(names), bool), np.zeros(len(sources), bool)
    for at in range(0, len(names), 1000):
        scores = process.cdist(left[at : at + 1000], right, scorer=fuzz.ratio, score_cutoff=CUTOFF, workers=2)
        flagged[at : at + 1000] = scores.max(axis=1) >= CUTOFF
        for row in range(max(at, len(names) - len(sources)), min(at + 1000, len(names))):
            planted = row - (len(names) - len(sources))
            found[planted] = scores[row - at, sources[planted]] >= CUTOFF
    return found, flagged


def report(who: str, right: np.ndarray, flagged: np.ndarray) -> None:
    half = len(flagged) // 2
    print(f"{who}: misspelled {right[:PLANTED].mean():.1%}, scrambled {right[PLANTED:].mean():.1%} of {PLANTED} found;")
    print(f"    flagged: made-up companies {flagged[:half].mean():.2%}, recombined people {flagged[half:].mean():.2%}")


def treated(data: Path) -> None:
    un = column(data / "yente_positives_un_untreated.csv")
    entries = [Entry("un", str(at), name, Kind.PERSON) for at, name in enumerate(un)]
    everybody = entries + read_list(data / "usgov_sdn.csv.gz", "sdn")
    rarity = rarity_of(everybody)
    names = column(data / "yente_positives_un_treated.csv")
    subjects = [Subject(str(at), "d", (name,), Kind.PERSON) for at, name in enumerate(names)]
    hits = match_names(subjects, entries, rarity, Settings())
    found = {hit.account_id: hit.level for hit in hits if hit.object_id == f"un:{hit.account_id}"}
    people = column(data / "yente_negatives_global.csv")
    others = match_names(
        [Subject(str(at), "d", (name,), Kind.PERSON) for at, name in enumerate(people)], everybody, rarity, Settings()
    )
    print(f"altered UN names (yente): {len(found)} of {len(names)} found ({len(found) / len(names):.1%}), "
          f"{sum(level is Level.HOLD for level in found.values())} held")  # fmt: skip
    print(f"unrelated people (yente) against SDN and UN with aliases: {len({hit.account_id for hit in others})} of "
          f"{len(people)} for review, {len({h.account_id for h in others if h.level is Level.HOLD})} held")  # fmt: skip


def labelled(data: Path, peer: str | None) -> None:
    with (data / "nomenklatura_name_cases.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    truth = np.array([row["is_match"] == "true" for row in rows])
    first = np.array(
        [hashlib.blake2b(f"{r['name1']}|{r['name2']}".encode(), digest_size=1).digest()[0] % 2 == 0 for r in rows]
    )
    rarity = rarity_of(read_list(data / "usgov_sdn.csv.gz", "sdn"))
    methods: list[tuple[str, Callable[[], np.ndarray], float]] = [
        ("stillwatch", lambda: np.array([ours(row, rarity) for row in rows]), Settings().review_at),
        (
            "rapidfuzz token_sort_ratio",
            lambda: np.array([plain(row, fuzz.token_sort_ratio) for row in rows]),
            CUTOFF / 100,
        ),
        ("rapidfuzz WRatio", lambda: np.array([plain(row, fuzz.WRatio) for row in rows]), CUTOFF / 100),
    ]
    if peer:
        peers = ("logic-v1", "logic-v2")
        methods += [(f"nomenklatura {name}", lambda name=name: asked(peer, name, rows), 0.7) for name in peers]
    print(f"\n{len(rows)} labelled pairs, {int(truth.sum())} matches; 'own' = the tool's usual cut-off on all pairs,")
    print(f"'half' = cut-off of best F1 on {int(first.sum())} pairs, measured on the other {int((~first).sum())}")
    print("| method | own cut-off | precision | recall | F1 | half cut-off | precision | recall | F1 | ms a pair |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, score, own in methods:
        start = time.perf_counter()
        scores = score()
        cost = 1000 * (time.perf_counter() - start) / len(rows)
        best = max(np.arange(0.3, 1.0, 0.01), key=lambda cut: figures(scores[first] >= cut, truth[first])[2])
        halves = figures(scores[~first] >= best, truth[~first])
        whole = figures(scores >= own, truth)
        print(f"| {name} | {own:.2f} | " + " | ".join(f"{value:.3f}" for value in whole)
              + f" | {best:.2f} | " + " | ".join(f"{value:.3f}" for value in halves) + f" | {cost:.2f} |")  # fmt: skip


def ours(row: dict[str, str], rarity: object) -> float:
    kind = KINDS.get(row["schema"], Kind.UNKNOWN)
    return compare(parse_name(row["name1"], kind), parse_name(row["name2"], kind), rarity, kind).score


def plain(row: dict[str, str], scorer: Callable[[str, str], float]) -> float:
    return scorer(row["name1"].lower(), row["name2"].lower()) / 100


def asked(python: str, algorithm: str, rows: Sequence[dict[str, str]]) -> np.ndarray:
    """Scores of nomenklatura, in its own environment."""
    script = Path(__file__).with_name("screening_peer.py")
    body = json.dumps([[row["schema"], row["name1"], row["name2"]] for row in rows])
    done = subprocess.run([python, str(script), algorithm], input=body, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout))


def figures(said: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    hits = float((said & truth).sum())
    precision, recall = hits / max(1, said.sum()), hits / truth.sum()
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--names", type=int, default=25_000)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nomenklatura", help="interpreter that has nomenklatura")
    parser.add_argument("--labelled", action="store_true", help="the labelled pairs alone")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, seed {chosen.seed}")
    if not chosen.labelled:
        speed(chosen.data, chosen.names, chosen.entries, chosen.seed)
        treated(chosen.data)
    labelled(chosen.data, chosen.nomenklatura)


if __name__ == "__main__":
    main()

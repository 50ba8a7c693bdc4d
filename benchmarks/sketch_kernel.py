"""Throughput of the sketch kernel in MB of UTF-8 per CPU second, beside other ways to sketch the same text.

    python benchmarks/sketch_kernel.py [--data ../shared/data] [--seed 7] [--megabytes 40]

Without --data the prompts are drawn here from made-up words (lengths and punctuation as in prompts). Peers that are not
installed are named so. Each figure is the best of five runs; the kernel and xxh3 read all of the text, the peers
written in Python a part of it (stated), because they are slow.
"""

import argparse
import importlib.util
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.sketches import hash_texts, sketch_prompts
from stillwatch.sketches.batch import blocks_of, sketch_texts, word_weights
from stillwatch.sketches.lexicon import Cue, cue_table
from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanning import Buffers, scanned
from stillwatch.sketches.wordwork import sketch_rows

N_RUNS = 5
N_PERMUTATIONS = 128  # of the MinHash peers
# A word in five is followed by a mark, as in the prompts of the real sets (0.16 to 0.35 marks a word).
MARKS = np.array([" "] * 52 + [", ", ", ", ", ", ". ", ". ", ".\n", "\n", ": ", ' "', '" ', " (", ") ", "-", "\n\n"])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    megabytes: float
    cpu_seconds: float
    note: str = ""

    def __str__(self) -> str:
        return f"| {self.name} | {self.megabytes / self.cpu_seconds:,.0f} | {self.megabytes:.1f} | {self.note} |"


def generated(megabytes: float, rng: np.random.Generator) -> pa.StringArray:
    """Prompts of log-normal length over a Zipf vocabulary of made-up words, with marks and numbers."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    sizes = np.clip(rng.poisson(4.2, 20_000) + 1, 1, 14)
    vocabulary = np.array(["".join(letters[(26 * rng.random(size) ** 2).astype(int)]) for size in sizes])
    vocabulary[::25] = [str(number) for number in rng.integers(0, 5000, vocabulary[::25].size)]
    n_words = int(megabytes * 1e6 / 6.6)
    drawn = vocabulary[np.minimum(rng.zipf(1.25, n_words) - 1, vocabulary.size - 1)]
    pieces = np.char.add(drawn, MARKS[rng.integers(0, MARKS.size, n_words)])
    prompts, at = [], 0
    while at < n_words:
        length = int(np.clip(rng.lognormal(4.6, 1.0), 3, 4000))
        prompts.append("".join(pieces[at : at + length]))
        at += length
    return pa.array(prompts)


def real(folder: Path) -> pa.StringArray:
    """Every distinct user prompt of the sets in a folder."""
    tables = [pq.read_table(path, columns=["text"]) for path in sorted(folder.glob("*/prompts.parquet"))]
    return pc.unique(pa.concat_tables(tables)["text"]).cast(pa.string())


def cpu_seconds(work: Callable[[], object]) -> float:
    """Least CPU time of the process over N_RUNS runs."""
    best = float("inf")
    for _ in range(N_RUNS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def n_megabytes(texts: pa.StringArray) -> float:
    return float(pc.sum(pc.binary_length(texts)).as_py() / 1e6)


def scan_only(texts: pa.StringArray) -> None:
    """Words and kinds, in the blocks of the product."""
    rows = TextRows.of(texts)
    parts = [rows.part(block) for block in blocks_of(rows)]
    buffers = Buffers.for_rows(*parts)
    for part in parts:
        scanned(part, buffers)


def shingles_and_hashes(texts: pa.StringArray) -> None:
    """Scan, shingles, materials, skeleton, prompt hash and cells; the cues are given an empty table."""
    rows = TextRows.of(texts)
    parts = [rows.part(block) for block in blocks_of(rows)]
    buffers, table, weights = Buffers.for_rows(*parts), cue_table(), word_weights()
    no_filter = np.zeros_like(table.filter_bits)
    for part in parts:
        words = scanned(part, buffers)
        n_rows = words.ends.size
        sketch_rows(
            words.words, words.kinds, words.ends, words.marks[:, 0], weights, no_filter, table.keys, table.values,
            buffers.kept, np.zeros(n_rows, np.int64), buffers.materials, np.zeros(n_rows, np.int64),
            np.zeros((n_rows, 2), np.uint64), np.zeros(n_rows, np.int16), np.zeros((n_rows, len(Cue)), np.uint8),
        )  # fmt: skip


def own_rows(texts: pa.StringArray) -> Iterator[Row]:
    size = n_megabytes(texts)
    absent = pa.nulls(len(texts), pa.string())
    rows = TextRows.of(texts)
    yield Row("text hash alone (FNV-1a + fmix64)", size, cpu_seconds(lambda: hash_texts(texts)))
    yield Row("scan alone (words and kinds)", size, cpu_seconds(lambda: scan_only(texts)))
    yield Row(
        "**shingles + materials + skeleton + cells**", size, cpu_seconds(lambda: shingles_and_hashes(texts)), "goal 250"
    )
    yield Row("kernel, everything", size, cpu_seconds(lambda: sketch_texts(rows)), "with cues of capability")
    yield Row("`sketch_prompts`, Arrow to Arrow", size, cpu_seconds(lambda: sketch_prompts(texts, absent, absent)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompts.parquet"
        pq.write_table(pa.table({"prompt": texts}), path, compression="zstd", row_group_size=20_000)
        yield Row("read zstd Parquet only", size, cpu_seconds(lambda: pq.read_table(path, use_threads=False)))
        yield Row("**end to end from zstd Parquet**", size, cpu_seconds(lambda: sketch_file(path)), "goal 150")


def sketch_file(path: Path) -> None:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=20_000, use_threads=False):
        absent = pa.nulls(batch.num_rows, pa.string())
        sketch_prompts(batch["prompt"], absent, absent)


def five_grams(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[k : k + 5]) for k in range(max(1, len(words) - 4))]


def minhash_datasketch(strings: list[str]) -> None:
    minhash = importlib.import_module("datasketch").MinHash
    for text in strings:
        minhash(N_PERMUTATIONS).update_batch([gram.encode() for gram in five_grams(text)])


def minhash_rensa(strings: list[str]) -> None:
    minhash = importlib.import_module("rensa").RMinHash
    for text in strings:
        minhash(num_perm=N_PERMUTATIONS, seed=7).update(five_grams(text))


def xxh3_buffer(texts: pa.StringArray) -> None:
    importlib.import_module("xxhash").xxh3_64_intdigest(texts.buffers()[2])


def peer_rows(texts: pa.StringArray) -> Iterator[str]:
    """Lines of the peers; none is a dependency, so each may be missing."""
    strings = texts.slice(0, max(1, int(len(texts) / n_megabytes(texts)))).to_pylist()
    few = strings[: max(1, len(strings) // 10)]
    peers: tuple[tuple[str, float, str, Callable[[], None]], ...] = (
        ("xxhash", n_megabytes(texts), "xxh3 over the whole buffer", lambda: xxh3_buffer(texts)),
        (
            "datasketch",
            sum(len(t.encode()) for t in few) / 1e6,
            "MinHash, 128 permutations",
            lambda: minhash_datasketch(few),
        ),
        (
            "rensa",
            sum(len(t.encode()) for t in strings) / 1e6,
            "RMinHash, 128 permutations",
            lambda: minhash_rensa(strings),
        ),
    )
    for module, size, note, work in peers:
        if importlib.util.find_spec(module) is None:
            yield f"| {module} | not installed | | {note} |"
        else:
            yield str(Row(module, size, cpu_seconds(work), note))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of prompt sets instead of generated text")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--megabytes", type=float, default=40.0)
    arguments = parser.parse_args()
    started = time.process_time()
    absent = pa.array([None], pa.string())
    sketch_prompts(pa.array(["warm up"]), absent, absent)
    first_call = time.process_time() - started
    rng = np.random.default_rng(arguments.seed)
    texts = real(arguments.data) if arguments.data else generated(arguments.megabytes, rng)
    source = "real sets" if arguments.data else f"generated, seed {arguments.seed}, --megabytes {arguments.megabytes:g}"
    print(f"`python benchmarks/sketch_kernel.py` ({source}): {len(texts):,} prompts, {n_megabytes(texts):.1f} MB")
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one core; ", end="")
    print(f"first call in this process {first_call:.1f} CPU s (compiles only where no cache is found)\n")
    print("| what | MB per CPU s | MB read | note |\n|---|---|---|---|")
    for row in own_rows(texts):
        print(row)
    for line in peer_rows(texts):
        print(line)


if __name__ == "__main__":
    main()

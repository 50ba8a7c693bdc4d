"""Make the telemetry that all detectors read: a simulated window with look-alikes and four campaigns.

    python world.py FOLDER SEED N_ACCOUNTS N_DAYS

Writes what `stillwatch simulate` writes (that command draws named scenarios; this calls the same function with a world
of its own), an honest window of other people in `reference` for peers that need one, and vectors of the prompts.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from telemetry import Telemetry, Vectors

from stillwatch.simulate import SCENARIOS, Campaign, HonestMix, World, simulate

CAMPAIGNS: Final = (
    Campaign(name="plain", n_accounts=100, dilution=0.0),
    Campaign(name="diluted 0.9", n_accounts=100, dilution=0.9),
    Campaign(name="heavy-tailed, aged", n_accounts=100, volume_sigma=1.2, daily_burst=1.0, aged=1.0),
    Campaign(name="paraphrased 0.9", n_accounts=100, paraphrase=0.9),
)
REFERENCE_SEED: Final = 1_000_000  # added: the reference has other people, other templates and another clock
N_REFERENCE: Final = 20_000
N_BUCKETS: Final = 1 << 16
N_DIMENSIONS: Final = 64


def worlds(n_accounts: int, n_days: int) -> tuple[World, World]:
    """The window to look at and the honest one to compare with."""
    lookalikes = SCENARIOS["quiet"].world.honest.lookalikes
    honest = HonestMix(n_accounts=n_accounts, n_frameworks=max(12, n_accounts // 60), lookalikes=lookalikes)
    release_day = n_days // 2
    quiet = World(honest=honest, n_days=n_days, release_day=release_day)
    return World(honest=honest, campaigns=CAMPAIGNS, n_days=n_days, release_day=release_day), quiet


def write_vectors(folder: Path, reference: pa.ChunkedArray, seed: int) -> None:
    """Write vectors of all distinct prompts and of a sample of the reference prompts.

    Hashed words and pairs of words, TF-IDF, and a truncated SVD fitted on the reference: a stand-in for the sentence
    embeddings of the papers, which do not run over hundreds of thousands of prompts on two cores.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(reference), min(N_REFERENCE, len(reference)), replace=False)
    sample = reference.take(pa.array(chosen)).to_pylist()
    counts = HashingVectorizer(n_features=N_BUCKETS, ngram_range=(1, 2), alternate_sign=False, norm=None)
    shrink = TruncatedSVD(N_DIMENSIONS, random_state=0)
    model = make_pipeline(counts, TfidfTransformer(sublinear_tf=True), shrink, Normalizer())
    vectors: Vectors = model.fit_transform(sample).astype(np.float32)
    np.save(folder / "reference.npy", vectors)
    prompts = pc.unique(Telemetry.read(folder).exchanges["prompt"].drop_null()).to_pylist()
    np.save(folder / "vectors.npy", model.transform(prompts).astype(np.float32))


def main() -> None:
    """Write everything."""
    folder, (seed, n_accounts, n_days) = Path(sys.argv[1]), (int(number) for number in sys.argv[2:])
    world, quiet = worlds(n_accounts, n_days)
    simulate(world, seed=seed, out_dir=folder)
    simulate(quiet, seed=seed + REFERENCE_SEED, out_dir=folder / "reference")
    reference = ds.dataset(folder / "reference" / "exchanges").to_table(columns=["prompt"])["prompt"]
    write_vectors(folder, reference, seed)


if __name__ == "__main__":
    main()

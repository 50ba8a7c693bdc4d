"""Maximum mean discrepancy of an account's prompts from honest traffic, with random Fourier features.

Written by us from arXiv 2606.05725 (2026), "An Embarrassingly Simple Detector for Model Extraction Attacks in Large
Language Model API Traffic", and Rahimi and Recht (2007) for the features. Null hypothesis: the account's prompts are
independent draws from the honest reference. It assumes one honest distribution; an honest account with habits of its
own is not drawn from it.

Ours differs: vectors are hashed TF-IDF and SVD instead of bge-small; the kernel sum is approximated; the window is the
account's whole traffic (the paper: 1,500 queries), standardised by the null at the same size instead of cut at its
95th percentile, so that accounts of all sizes can be ranked.
"""

from typing import Final

import numpy as np
from peer import Ints, Peer, Reals
from scipy import sparse
from telemetry import Telemetry, Vectors

PEER = Peer(
    title="MMD",
    source="arXiv 2606.05725, re-implemented",
    licence="paper; the authors' repository has no licence file, so nothing of it is used",
    made_for="a window of pooled API traffic against a benign history: does it hold extraction queries?",
    stretch="used for each account against pooled honest traffic; the paper's user-level setting has one pure attacker"
    " against homogeneous users",
    reads_features=True,
)
BANDWIDTHS: Final = (0.5, 1.0, 2.0, 4.0)  # times the median distance, as in the paper
N_FREQUENCIES: Final = 128  # for each bandwidth; a cosine and a sine each
N_NULL: Final = 200
SIZES: Final = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
CHUNK: Final = 8_192


def rank(telemetry: Telemetry) -> Reals:
    """How many standard deviations of the null each account's MMD^2 is above the mean; NaN below two exchanges."""
    rng = np.random.default_rng(0)
    frequencies = draw_frequencies(telemetry.reference, rng)
    sums = account_sums(telemetry, frequencies)
    n = np.bincount(telemetry.account, minlength=telemetry.n_accounts)
    reference = np.concatenate([features(part, frequencies) for part in chunks(telemetry.reference)])
    discrepancy = squared_mmd(sums, n, reference.mean(axis=0))
    mean, deviation = null_moments(reference, n, rng)
    return np.where(n >= 2, (discrepancy - mean) / deviation, np.nan)


def draw_frequencies(reference: Vectors, rng: np.random.Generator) -> Vectors:
    """Frequencies of a sum of Gaussian kernels around the median distance of reference prompts, (n_dims, n)."""
    one, other = (reference[rng.choice(len(reference), 2_000)] for _ in range(2))
    distances = np.linalg.norm(one - other, axis=1)
    median = float(np.median(distances[distances > 0]))
    widths = np.repeat(np.array(BANDWIDTHS) * median, N_FREQUENCIES)
    return np.asarray(rng.standard_normal((reference.shape[1], len(widths))) / widths, dtype=np.float32)


def features(vectors: Vectors, frequencies: Vectors) -> Vectors:
    """Features whose inner products approximate the mean kernel; each row has length 1."""
    angles = vectors @ frequencies
    scaled = np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(frequencies.shape[1])
    return np.asarray(scaled, dtype=np.float32)


def chunks(vectors: Vectors) -> list[Vectors]:
    """The rows in parts that fit in the cache."""
    return [vectors[first : first + CHUNK] for first in range(0, len(vectors), CHUNK)]


def account_sums(telemetry: Telemetry, frequencies: Vectors) -> Reals:
    """The sum of the features of each account's exchanges, (n_accounts, n_features)."""
    shape = (telemetry.n_accounts, len(telemetry.vectors))
    ones = np.ones(len(telemetry.account), dtype=np.float32)
    counts = sparse.csr_array((ones, (telemetry.account, telemetry.prompt)), shape=shape).tocsc()
    sums = np.zeros((telemetry.n_accounts, 2 * frequencies.shape[1]))
    for number, part in enumerate(chunks(telemetry.vectors)):
        first = number * CHUNK
        sums += counts[:, first : first + len(part)] @ features(part, frequencies)
    return sums


def squared_mmd(sums: Reals, n: Ints, reference_mean: Vectors) -> Reals:
    """MMD^2 of windows of size `n` from the reference, without bias in the window (its rows have length 1)."""
    size = np.maximum(n, 2)
    within = ((sums**2).sum(axis=1) - size) / (size * (size - 1))
    across = sums @ reference_mean / size
    return np.asarray(within - 2 * across + float(reference_mean @ reference_mean))


def null_moments(reference: Vectors, n: Ints, rng: np.random.Generator) -> tuple[Reals, Reals]:
    """Mean and standard deviation of MMD^2 of windows drawn from the reference, at each of the sizes `n`."""
    means, deviations = [], []
    for size in SIZES:
        drawn = rng.integers(0, len(reference), N_NULL * size)
        window = np.repeat(np.arange(N_NULL), size)
        ones = np.ones(len(drawn), dtype=np.float32)
        counts = sparse.csr_array((ones, (window, drawn)), shape=(N_NULL, len(reference)))
        sums = np.asarray(counts @ reference, dtype=np.float64)
        values = squared_mmd(sums, np.full(N_NULL, size), reference.mean(axis=0))
        means.append(values.mean())
        deviations.append(values.std())
    at, known = np.log(np.maximum(n, 2)), np.log(SIZES)
    return np.interp(at, known, means), np.exp(np.interp(at, known, np.log(deviations)))

"""Synthetic groups for the tests of scoring: honest ones with a size trend and a look-alike class, and planted ones."""

from functools import cache

import numpy as np
import pyarrow as pa

from stillwatch.scoring.fit import FitOptions, HonestGroups, fit

SIGNALS = ("balance", "likeness", "youth", "hours")


def groups_table(ids, sizes, classes, windows, *, kinds="skeleton", n_tests=1):
    n = len(ids)
    return pa.table(
        {
            "group_id": ids,
            "window_no": pa.array(windows, pa.int64()),
            "token_kind": [kinds] * n if isinstance(kinds, str) else kinds,
            "proposal": ["token"] * n,
            "n_accounts": pa.array(sizes, pa.int64()),
            "n_exchanges": pa.array([20 * size for size in sizes], pa.int64()),
            "n_tests": pa.array([n_tests] * n, pa.int64()),
            "honest_class": classes,
        }
    )


def signals_table(ids, values):
    """Long form of `values`, (n_groups, n_signals) in the order of SIGNALS; NaN becomes null."""
    n = len(ids)
    return pa.table(
        {
            "group_id": np.repeat(np.array(ids), len(SIGNALS)),
            "signal": list(SIGNALS) * n,
            "conservative_value": pa.array(values.ravel(), pa.float64(), from_pandas=True),
        }
    )


def honest_groups(seed, *, n=3000, n_windows=5, share_lookalike=0.1):
    """Honest groups: values rise with log size; the class `quickstart` is also young and alike."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(5), np.log(300), n)).astype(int)
    values = 0.5 * np.log(sizes)[:, None] + rng.normal(size=(n, len(SIGNALS)))
    is_quickstart = rng.uniform(size=n) < share_lookalike
    values[is_quickstart, 1:3] += 2.0
    ids = [f"{seed}-{number:05d}" for number in range(n)]
    classes = np.where(is_quickstart, "quickstart", "framework").tolist()
    return HonestGroups(groups_table(ids, sizes, classes, rng.integers(0, n_windows, n)), signals_table(ids, values))


@cache
def calibration(*, n_account_windows=5_000_000, seed=1):
    options = FitOptions(kind="fitted", origin="synthetic groups", n_account_windows=n_account_windows)
    return fit(honest_groups(seed), honest_groups(seed + 1000), options)

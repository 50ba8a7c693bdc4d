"""Synthetic windows with planted campaigns, for the tests of the boosted scorer."""

from functools import cache

import numpy as np
import pyarrow as pa

from stillwatch.scoring.fit import FitOptions, fit
from stillwatch.scoring.train import PlantedGroups
from tests.scoring.honest import SIGNALS, groups_table, honest_groups, signals_table

STRONG = SIGNALS.index("balance"), SIGNALS.index("likeness")


def planted_groups(seed, *, n=300, shift=3.0, n_windows=5, strong=STRONG):
    """Honest groups, and groups of one campaign in each window that are strong in two or more signals at once."""
    honest = honest_groups(seed, n_windows=n_windows)
    rng = np.random.default_rng([seed, 1])
    sizes = np.exp(rng.uniform(np.log(5), np.log(300), n)).astype(int)
    values = 0.5 * np.log(sizes)[:, None] + rng.normal(size=(n, len(SIGNALS)))
    values[:, strong] += shift
    ids = [f"{seed}-planted-{number:03d}" for number in range(n)]
    own = groups_table(ids, sizes, ["ordinary"] * n, rng.integers(0, n_windows, n))
    groups = pa.concat_tables([labelled(honest.groups, 0.0, None), labelled(own, 1.0, "queue")])
    return PlantedGroups(groups, pa.concat_tables([honest.signals, signals_table(ids, values)]))


def labelled(groups, share, campaign, *, accounts=300):
    n = groups.num_rows
    columns = {
        "campaign": pa.array([campaign] * n, pa.string()),
        "campaign_share": pa.array([share] * n, pa.float64()),
        "campaign_accounts": pa.array([accounts if campaign else None] * n, pa.int64()),
    }
    for name, values in columns.items():
        groups = groups.append_column(name, values)
    return groups


@cache
def boosted_calibration():
    options = FitOptions(kind="fitted", origin="synthetic groups", n_account_windows=5_000_000)
    return fit(honest_groups(1), honest_groups(1001), options, planted_groups(2001))

"""splink: probabilistic linkage of accounts by card, device, address and name.

The package's own model (Fellegi and Sunter), trained without labels as its tutorial does. An account's score is the
expected number of other accounts of the same person: the sum of the match probabilities of its pairs.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from peer import Peer, Reals
from telemetry import Telemetry

PEER = Peer(
    title="splink",
    source="PyPI splink 5.0.0",
    licence="MIT",
    made_for="finding records of one person or customer in tables of identities",
    stretch="an account with many links is ranked high; it reads identities only, no traffic",
    requirements="splink.txt",
)
EXACT: Final = ("payment_fingerprint", "device_id", "signup_client_address")
N_SAMPLED_PAIRS: Final = 1e6


def rank(telemetry: Telemetry) -> Reals:
    """The sum of the match probabilities of each account's pairs."""
    import splink.comparison_library as cl  # type: ignore[import-not-found]
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    identities = telemetry.accounts.select(["account_id", *(name for name in (*EXACT, "name") if has(telemetry, name))])
    exact = [name for name in EXACT if name in identities.column_names]
    fuzzy = [cl.JaroWinklerAtThresholds("name", [0.9])] if "name" in identities.column_names else []
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="account_id",
        comparisons=[*(cl.ExactMatch(name) for name in exact), *fuzzy],
        blocking_rules_to_generate_predictions=[block_on(name) for name in exact],
    )
    linker = Linker(DuckDBAPI().register(identities), settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=N_SAMPLED_PAIRS, seed=1)
    for name in exact:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(name))
    pairs = linker.inference.predict().as_duckdbpyrelation().to_arrow_table()
    return linked(telemetry.account_ids, pairs)


def has(telemetry: Telemetry, name: str) -> bool:
    """Whether any account has a value in that column."""
    return name in telemetry.accounts.column_names and telemetry.accounts[name].null_count < telemetry.n_accounts


def linked(account_ids: pa.Array, pairs: pa.Table) -> Reals:
    """The sum over each account's pairs of their probability."""
    score = np.zeros(len(account_ids))
    for side in ("account_id_l", "account_id_r"):
        place = pc.index_in(pairs[side], value_set=account_ids).to_numpy()
        score += np.bincount(place, weights=pairs["match_probability"].to_numpy(), minlength=len(account_ids))
    return score

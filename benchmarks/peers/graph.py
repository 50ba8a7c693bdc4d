"""The graph of accounts and targets, for methods that were made for followers, likes and reviews."""

from typing import Final

import numpy as np
from scipy import sparse
from telemetry import Telemetry

KINDS: Final = ("head", "system_instructions", "tool_definitions", "client_address")


def distinct_edges(telemetry: Telemetry) -> sparse.csr_array:
    """1 where an account touched a target at least once, (n_accounts, n_targets)."""
    there = telemetry.exchanges.column_names
    actions = telemetry.actions(*(kind for kind in KINDS if kind == "head" or kind in there))
    ones = np.ones(len(actions.account))
    edges = sparse.csr_array((ones, (actions.account, actions.target)), shape=(actions.n_accounts, actions.n_targets))
    edges.data[:] = 1.0
    return edges

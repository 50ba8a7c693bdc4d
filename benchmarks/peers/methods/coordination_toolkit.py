"""coordination-network-toolkit: accounts that send the same message within a window of time.

The package's own `preprocess_data` and `compute_co_tweet_network`. Its default window is one second and its default
edge two messages; a wide window and single messages are used here, which only adds edges. An account's score is the
weight of its edges.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from peer import Peer, Reals
from telemetry import Telemetry

PEER = Peer(
    title="coordination-network-toolkit",
    source="PyPI coordination-network-toolkit 1.5.2",
    licence="MIT",
    made_for="accounts that post the same tweet at about the same time",
    stretch="messages are prompts; a campaign's queue sends no prompt twice",
    requirements="coordination-network-toolkit.txt",
)
WINDOW_SECONDS: Final = 3600
MIN_EDGE_WEIGHT: Final = 1
N_PROCESSES: Final = 2


def rank(telemetry: Telemetry) -> Reals:
    """The weight of each account's edges to others in the co-tweet network."""
    from coordination_network_toolkit.compute_networks import compute_co_tweet_network  # type: ignore[import-not-found]
    from coordination_network_toolkit.preprocess import preprocess_data  # type: ignore[import-not-found]

    score = np.zeros(telemetry.n_accounts)
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "messages.db")
        preprocess_data(path, messages(telemetry))
        compute_co_tweet_network(path, WINDOW_SECONDS, MIN_EDGE_WEIGHT, n_threads=N_PROCESSES)
        with closing(sqlite3.connect(path)) as found:
            query = "select user_1, sum(weight) from co_tweet_network where user_1 != user_2 group by user_1"
            for account, weight in found.execute(query):
                score[int(account)] = weight
    return score


def messages(telemetry: Telemetry) -> "zip[tuple[object, ...]]":
    """The exchanges as the package's messages: id, user, name, no repost, no reply, text, seconds, no links."""
    n = len(telemetry.account)
    ids, nothing = telemetry.exchanges["source_record_id"].to_pylist(), [None] * n
    account = telemetry.account.tolist()
    text = telemetry.exchanges["prompt"].fill_null("").to_pylist()
    return zip(
        ids, account, map(str, account), nothing, nothing, text, telemetry.seconds.tolist(), [[]] * n, strict=True
    )

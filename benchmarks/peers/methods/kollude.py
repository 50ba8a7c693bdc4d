"""kollude: folded templates, and the share of an account's messages whose template many accounts use.

The package's own functions `coord.annotate` and `coord.actor_scores` with the parameters of its `scan`. Its score is
the share of an actor's events in clusters of five or more actors, times the logarithm of the largest. Its e-value
alarm raises the alarm on a stream of hours, not on accounts, and is not used here.
"""

import numpy as np
from peer import Peer, Reals
from telemetry import Telemetry

PEER = Peer(
    title="kollude",
    source="PyPI kollude 0.4.0",
    licence="Apache-2.0",
    made_for="swarms of agents that post the same wording on a social network",
    stretch="actors are API accounts and posts are prompts; popular frameworks share wording too",
    requirements="kollude.txt",
)


def rank(telemetry: Telemetry) -> Reals:
    """The package's score of each actor."""
    import pandas as pd
    from kollude import ScanParams, coord, frame  # type: ignore[import-not-found]

    rows = telemetry.exchanges
    events = pd.DataFrame(
        {
            "event_id": rows["source_record_id"].to_pandas(),
            "t": rows["start_time"].to_pandas(),
            "actor": rows["account_id"].to_pandas(),
            "text": rows["prompt"].to_pandas(),
        }
    )
    parameters = ScanParams().coord()
    scores = coord.actor_scores(coord.annotate(frame.finalize(events), parameters), parameters)
    found = scores.set_index("actor")["score"].reindex(telemetry.account_ids.to_pylist())
    return np.asarray(found.fillna(0.0), dtype=np.float64)

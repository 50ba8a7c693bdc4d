"""honeypotllm: a suspicion score of each key from rate, similar consecutive prompts, missing gaps and volume.

The package's own `SuspicionScorer` with its default settings. It reads the clock of the machine, which a replay has to
replace; a key is as suspicious as it ever was (the package marks answers from the moment on at which it crosses 0.75).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from peer import Peer, Reals
from telemetry import Telemetry

PEER = Peer(
    title="honeypotllm",
    source="PyPI honeypotllm 0.1.3",
    licence="Apache-2.0",
    made_for="one API key that scrapes at a high rate; its answers are watermarked from then on",
    stretch="only its scoring is used; a campaign keeps every key slow",
    requirements="honeypotllm.txt",
)
N_KEYS: Final = 1 << 30  # the package forgets keys beyond 10,000; a batch comparison does not have to


@dataclass
class Clock:
    """The package's clock in a replay."""

    at: float = 0.0

    def time(self) -> float:
        """The time of the exchange that is being replayed."""
        return self.at


def rank(telemetry: Telemetry) -> Reals:
    """The highest score that each key reached."""
    from honeypotllm import scoring  # type: ignore[import-not-found]
    from honeypotllm.config import ScoringConfig  # type: ignore[import-not-found]

    clock = Clock()
    scoring.time, scoring._MAX_TRACKED_KEYS = clock, N_KEYS
    scorer = scoring.SuspicionScorer(ScoringConfig())
    highest = np.zeros(telemetry.n_accounts)
    prompts = telemetry.exchanges["prompt"].to_pylist()
    for account, at, prompt in zip(telemetry.account.tolist(), telemetry.seconds.tolist(), prompts, strict=True):
        clock.at, key = at, str(account)
        if key not in scorer._states:  # a new key's `last_seen` would be the machine's time
            scorer._states[key] = scoring.ScoringState(key_hash=key, last_seen=at)
        highest[account] = max(highest[account], scorer.score_request(key, prompt=prompt or "").score_after)
    return highest

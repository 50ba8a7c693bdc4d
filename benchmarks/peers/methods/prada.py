"""PRADA: are the distances from each query to the nearest earlier one of the same client normally distributed?

Written by us from Juuti et al. (2019), "PRADA: Protecting Against DNN Model Stealing Attacks", section V. Null
hypothesis: a benign client's nearest distances are normal; queries made up by an attack are not. The statistic is that
of Shapiro and Wilk, after distances of more than three standard deviations are set aside.

Ours differs: distances are between vectors of prompts instead of images; there is one set of queries for each account
instead of one for each predicted class (a text model predicts none), and every earlier query is in it (the paper drops
those near to it); at most the first 600 queries of an account are looked at.
"""

from typing import Final

import numpy as np
from pairs import nearest_earlier, prompts_of_accounts
from peer import Peer, Reals
from scipy.stats import shapiro
from telemetry import Telemetry

PEER = Peer(
    title="PRADA",
    source="Juuti et al. 2019, re-implemented",
    licence="paper",
    made_for="one client that extracts an image classifier with synthetic queries",
    stretch="used on prompts; a campaign deals natural-language tasks to many clients",
    reads_features=True,
)
MIN_DISTANCES: Final = 100  # as in the paper: fewer are not tested
N_DEVIATIONS: Final = 3.0


def rank(telemetry: Telemetry) -> Reals:
    """One minus the Shapiro-Wilk statistic; NaN below a hundred distances."""
    return np.array([departure(nearest_earlier(own)) for own in prompts_of_accounts(telemetry)])


def departure(distances: Reals) -> float:
    """How far the distances are from normal: 0 is normal; NaN where there are too few."""
    if len(distances) < MIN_DISTANCES:
        return np.nan
    spread = N_DEVIATIONS * distances.std()
    kept = distances[np.abs(distances - distances.mean()) <= spread]
    return 1.0 if np.ptp(kept) == 0 else 1.0 - float(shapiro(kept).statistic)

"""Mahalanobis distance of an account's prompts from honest traffic.

Written by us from the baseline of arXiv 2606.05725 ("marginal Mahalanobis") and Mahalanobis (1936). Null hypothesis:
the prompts' squared distances have the mean that honest prompts have. It assumes that honest prompts are one elliptic
cloud.

Ours differs: vectors are hashed TF-IDF and SVD; the covariance is shrunk (Ledoit and Wolf, 2004); the mean over all of
an account's prompts is standardised by their number, so that accounts of all sizes can be ranked.
"""

import numpy as np
from peer import Peer, Reals
from telemetry import Telemetry, Vectors

PEER = Peer(
    title="Mahalanobis",
    source="baseline of arXiv 2606.05725, re-implemented",
    licence="paper",
    made_for="prompts that lie outside of the cloud of benign ones",
    stretch="used for each account; the paper scores windows of pooled traffic",
    reads_features=True,
)


def rank(telemetry: Telemetry) -> Reals:
    """Standard errors by which the mean squared distance of an account's prompts exceeds that of honest ones."""
    from sklearn.covariance import LedoitWolf

    cloud = LedoitWolf().fit(telemetry.reference)
    honest = cloud.mahalanobis(telemetry.reference)
    return excess(telemetry, np.asarray(cloud.mahalanobis(telemetry.vectors)), np.asarray(honest))


def excess(telemetry: Telemetry, distances: Reals | Vectors, honest: Reals | Vectors) -> Reals:
    """The mean of `distances` over each account's exchanges, above that of `honest`, in standard errors."""
    n = np.bincount(telemetry.account, minlength=telemetry.n_accounts)
    sums = np.bincount(telemetry.account, weights=distances[telemetry.prompt], minlength=telemetry.n_accounts)
    return np.asarray((sums / n - honest.mean()) / (honest.std() / np.sqrt(n)))

"""Places on a plane for groups and their members: the same input gives the same places, and no two circles overlap."""

from typing import Final

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

GOLDEN_ANGLE: Final = np.pi * (3.0 - np.sqrt(5.0))
"""Turn between two seeds of a sunflower: no two stand in one direction (Vogel 1979)."""
NEIGHBOURS: Final = 30
"""Placed circles that a new one is tried beside, those nearest to where it is drawn to."""
ANGLES: Final = 16
"""Directions in which it is tried beside each of them."""


def sunflower(n: int) -> Reals:
    """Places of `n` points about the origin, shape `(n, 2)`: evenly dense, about 1 apart, all within `sqrt(n)`.

    References:
        H. Vogel (1979), A better way to construct the sunflower head, Mathematical Biosciences 44.
    """
    rank = np.arange(n)
    radius, angle = np.sqrt(rank + 0.5), rank * GOLDEN_ANGLE
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def pack_circles(radii: Reals, pull: Reals) -> Reals:
    """Centres of circles that do not overlap, shape `(n, 2)`, each as near as it gets to those that pull it.

    `pull[i, j]` says how strongly circle `i` is drawn to an earlier circle `j`; one that nothing pulls is drawn to the
    origin. Circles are placed in the order given, so the largest should come first. Greedy: not the tightest packing.
    """
    centres = np.zeros((radii.size, 2))
    for placed in range(1, radii.size):
        weights = pull[placed, :placed]
        total = float(weights.sum())
        target = weights @ centres[:placed] / total if total > 0 else np.zeros(2)
        centres[placed] = _free_place(centres[:placed], radii[:placed], float(radii[placed]), target)
    return centres


def _free_place(centres: Reals, radii: Reals, radius: float, target: Reals) -> Reals:
    """The free place beside one of the placed circles that is nearest to the target."""
    nearest = np.argsort(np.hypot(*(centres - target).T) - radii, kind="stable")[:NEIGHBOURS]
    angles = np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)
    ways = np.column_stack([np.cos(angles), np.sin(angles)])
    tried = centres[nearest, None] + (radii[nearest] + radius)[:, None, None] * ways[None]
    tried = tried.reshape(-1, 2)
    gaps = np.hypot(*(tried[:, None] - centres[None]).transpose(2, 0, 1)) - radii[None] - radius
    is_free = (gaps >= -1e-9).all(axis=1)
    if not is_free.any():
        # NOTE: to the right of everything there is always room.
        return np.array([float((centres[:, 0] + radii).max()) + radius, float(target[1])])
    tried = tried[is_free]
    place: Reals = tried[int(np.argmin(np.hypot(*(tried - target).T)))]
    return place

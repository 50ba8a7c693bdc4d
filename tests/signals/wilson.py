"""The Wilson interval by its textbook formula."""

import math


def lower_log_odds(hits: float, n: float, *, expected: float, deviations: float) -> float:
    """Log odds of the lower end, with one observation added that is as `expected`."""
    size, square = n + 1, deviations**2
    share = (hits + expected) / size
    centre = share + square / (2 * size)
    reach = deviations * math.sqrt(share * (1 - share) / size + square / (4 * size**2))
    lower = (centre - reach) / (1 + square / size)
    return math.log(lower / (1 - lower))

"""The exact sign test."""

from dataclasses import dataclass

from scipy import stats

from stillwatch.stats.intervals import clopper_pearson


@dataclass(frozen=True, slots=True)
class Signs:
    """How often pairs went one way, ties apart. `share` is that of decided pairs, with its exact 95 % interval."""

    n_for: int
    n_against: int
    n_ties: int
    p_value: float
    share: float
    interval: tuple[float, float]


def sign_test(n_for: int, n_against: int, n_ties: int = 0) -> Signs:
    """The one-sided exact binomial test of decided pairs against one half.

    Null hypothesis: the two members of each pair are exchangeable given everything else, so each decided pair goes
    either way with probability one half. Assumes that pairs are independent: one pair a prompt. Ties say nothing.
    """
    n_decided = n_for + n_against
    p_value = float(stats.binom.sf(n_for - 1, n_decided, 0.5)) if n_decided else 1.0
    share = n_for / n_decided if n_decided else 0.5
    return Signs(n_for, n_against, n_ties, p_value, share, clopper_pearson(n_for, n_decided))


def sign_power(n_decided: int, share: float, alpha: float) -> float:
    """Chance that the sign test of `n_decided` pairs rejects at `alpha` when each goes our way with chance `share`."""
    if n_decided == 0:
        return 0.0
    critical = int(stats.binom.isf(alpha, n_decided, 0.5)) + 1
    return float(stats.binom.sf(critical - 1, n_decided, share))

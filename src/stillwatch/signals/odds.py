"""Lower ends of shares on the scale of log odds, for signals that compare a group's share with another.

The Wilson interval with one observation added that is as the comparison expects, so that shares of none and of all
stay finite and a share of none is never above the comparison, however rare that is.

References:
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, Journal of the American
    Statistical Association 22, 209-212. We differ by the added observation.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


def lower_log_odds(
    hits: "ir.NumericValue",
    n: "ir.NumericValue",
    *,
    expected: "float | ir.FloatingValue",
    deviations: "float | ir.FloatingValue",
) -> "ir.FloatingValue":
    """The log odds of the lower end of the share hits / n, `deviations` standard deviations down; finite for n >= 0.

    `expected` is a share strictly between 0 and 1; at hits = 0 the answer is below its log odds. The upper end of a
    share is minus the lower end of the share of the others, n - hits.
    """
    size = n.cast("float64") + 1.0
    share = (hits.cast("float64") + expected) / size
    slack = deviations * deviations / size
    centre = share + slack / 2.0
    reach = (slack * (share * (1.0 - share) + slack / 4.0)).sqrt()
    lower = share * share / (centre + reach)
    return log_odds(lower)


def log_odds(share: "ir.FloatingValue") -> "ir.FloatingValue":
    """The log odds of a share strictly between 0 and 1."""
    return (share / (1.0 - share)).ln()

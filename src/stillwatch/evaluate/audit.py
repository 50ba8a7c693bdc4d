"""Whether a simulated world is easy by accident: what one rule on single accounts would find."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.evaluate.audit_traits import traits

FALSE_POSITIVE_RATE = 1e-3
PASSING_RECALL = 0.05
"""A rule above this recall makes the world too easy; the world has to be changed, never the audit."""

_SCHEMA = pa.schema(
    [
        ("rule", pa.string()),
        ("direction", pa.string()),
        ("threshold", pa.float64()),
        ("false_positive_rate", pa.float64()),
        ("recall", pa.float64()),
        ("n_honest", pa.int64()),
        ("n_campaign", pa.int64()),
    ]
)


def audit(folder: Path, *, false_positive_rate: float = FALSE_POSITIVE_RATE) -> pa.Table:
    """Recall of every single-account rule on the campaign accounts of a simulated world, best first.

    A rule accuses accounts with a trait above (or below) a threshold, which is the least strict one that accuses at
    most `false_positive_rate` of the honest accounts with traffic. Recall is over campaign accounts with traffic; an
    account without the trait is not accused. The threshold is chosen on the same honest accounts: optimistic for the
    rule, hence strict for the world. `folder` is what `simulate` wrote.
    """
    is_campaign = pq.read_table(folder / "truth.parquet")["is_campaign"].to_numpy()
    values = traits(folder)
    is_active = values["volume"] > 0
    rows = []
    for rule, trait in values.items():
        for direction, sign in (("high", 1.0), ("low", -1.0)):
            honest = sign * trait[is_active & ~is_campaign]
            campaign = sign * trait[is_active & is_campaign]
            threshold = strictest_needed(honest, false_positive_rate)
            rows.append(
                {
                    "rule": rule,
                    "direction": direction,
                    "threshold": sign * threshold,
                    "false_positive_rate": float(np.mean(honest > threshold)) if len(honest) else 0.0,
                    "recall": float(np.mean(campaign > threshold)) if len(campaign) else 0.0,
                    "n_honest": len(honest),
                    "n_campaign": len(campaign),
                }
            )
    rows.sort(key=lambda row: (-float(str(row["recall"])), str(row["rule"]), str(row["direction"])))
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def strictest_needed(honest: npt.NDArray[np.float64], false_positive_rate: float) -> float:
    """Least threshold such that at most `false_positive_rate` of `honest` is above it; NaN is never above."""
    n_allowed = int(false_positive_rate * len(honest))
    ranked = np.sort(honest[~np.isnan(honest)])[::-1]
    if len(ranked) <= n_allowed:
        return float("-inf")
    return float(ranked[n_allowed])


def passes(table: pa.Table) -> bool:
    """Whether no rule finds more than the passing recall."""
    return all(recall <= PASSING_RECALL for recall in table["recall"].to_pylist())


def render(table: pa.Table, *, n_rows: int | None = None) -> str:
    """The audit as text, best rule first."""
    lines = [f"{'rule':<42}{'accuses':<9}{'threshold':>14}{'FPR':>10}{'recall':>9}"]
    for row in table.slice(0, n_rows).to_pylist():
        flag = "  too easy" if row["recall"] > PASSING_RECALL else ""
        lines.append(
            f"{row['rule']:<42}{row['direction']:<9}{row['threshold']:>14.4g}{row['false_positive_rate']:>10.1e}"
            f"{row['recall']:>9.3f}{flag}"
        )
    n_rules = len(set(table["rule"].to_pylist()))
    n_easy = sum(recall > PASSING_RECALL for recall in table["recall"].to_pylist())
    lines.append(f"{n_rules} traits, both directions; {n_easy} rules above recall {PASSING_RECALL}")
    return "\n".join(lines)

"""The quantities of a worksheet from EXPOSURES rows."""

import pyarrow as pa

from stillwatch.exposure.damages.worksheet import Quantities, Range
from stillwatch.exposure.summary import ALL


def quantities(exposures: pa.Table) -> Quantities:
    """What one campaign took by capability; the interval of each quantity is its range."""
    rows = [row for row in exposures.to_pylist() if row["capability"] != ALL and row["exchanges_high"]]

    def ranges(name: str) -> dict[str, Range]:
        return {row["capability"]: Range(row[f"{name}_low"], row[name], row[f"{name}_high"]) for row in rows}

    return Quantities(ranges("input_tokens"), ranges("output_tokens"), ranges("useful_exchanges"))

"""Scores of some groups of a run, computed again from what was kept of them and of the run."""

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.scoring.calibration import Calibration
from stillwatch.scoring.matrix import group_matrix
from stillwatch.scoring.population import Population, place
from stillwatch.scoring.run import verdicts
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.strength import strength_under


def rescored(
    groups: pa.Table, shifts: pa.Table, crowd: pa.Table, *, calibration: Calibration, alpha: float, settings: Settings
) -> pa.Table:
    """GROUP_SCORES rows of the CAMPAIGN_GROUPS `groups`, ordered by group id; `shifts` and `crowd` are the run's.

    Equal to the digit to those of the run, but for the tier where something beside the score held it at review.
    """
    ordered = groups.sort_by("group_id")
    matrix = group_matrix(ordered, _long(ordered), calibration.signals)
    population = Population.of(shifts, crowd, calibration.signals)
    strength = strength_under(matrix, calibration, population.shifts)
    placed = place(strength, calibration, alpha=alpha, settings=settings, population=population)
    is_named = ordered["is_lifted"].to_numpy()
    return verdicts(matrix.group_ids, strength, calibration, placed, is_named=is_named)


def _long(groups: pa.Table) -> pa.Table:
    """`group_id, signal, conservative_value` of CAMPAIGN_GROUPS rows."""
    signals = groups["signals"].combine_chunks()
    return pa.table(
        {
            "group_id": groups["group_id"].combine_chunks().take(pc.list_parent_indices(signals)),
            "signal": pc.list_flatten(signals),
            "conservative_value": pc.list_flatten(groups["values"].combine_chunks()),
        }
    )

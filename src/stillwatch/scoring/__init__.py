"""Signals of a group become one score, and the score a verdict that counts people."""

from stillwatch.scoring.calibration import Calibration, shipped
from stillwatch.scoring.customer import single_customer_groups
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.named import holding
from stillwatch.scoring.refit import Refit, refit
from stillwatch.scoring.run import (
    READS,
    WRITES,
    calibration_row,
    calibrations,
    only_calibration,
    run,
    score_groups,
    scored,
)
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.shift import Shift
from stillwatch.scoring.strength import run_shifts, strength_of
from stillwatch.scoring.train import PlantedGroups, Reduction

__all__ = [
    "READS",
    "WRITES",
    "Calibration",
    "FitOptions",
    "GroupMatrix",
    "HonestGroups",
    "PlantedGroups",
    "Reduction",
    "Refit",
    "Settings",
    "Shift",
    "calibration_row",
    "calibrations",
    "fit",
    "group_matrix",
    "holding",
    "only_calibration",
    "refit",
    "run",
    "run_shifts",
    "score_groups",
    "scored",
    "shipped",
    "single_customer_groups",
    "strength_of",
]

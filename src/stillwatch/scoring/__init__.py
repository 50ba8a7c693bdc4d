"""Signals of a group become one score, and the score a verdict that counts people."""

from stillwatch.scoring.again import rescored
from stillwatch.scoring.calibration import Calibration, shipped
from stillwatch.scoring.customer import single_customer_groups
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.named import holding
from stillwatch.scoring.population import false_accusations, measured_signals, shifts_of
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
from stillwatch.scoring.strength import strength_of
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
    "false_accusations",
    "fit",
    "group_matrix",
    "holding",
    "measured_signals",
    "only_calibration",
    "refit",
    "rescored",
    "run",
    "score_groups",
    "scored",
    "shifts_of",
    "shipped",
    "single_customer_groups",
    "strength_of",
]

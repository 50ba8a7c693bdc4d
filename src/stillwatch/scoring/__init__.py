"""Signals of a group become one score, and the score a verdict that counts people."""

from stillwatch.scoring.calibration import Calibration, shipped
from stillwatch.scoring.customer import single_customer_groups
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.refit import Refit, refit
from stillwatch.scoring.run import READS, WRITES, calibration_row, calibrations, run, score_groups
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.strength import signal_weights

__all__ = [
    "READS",
    "WRITES",
    "Calibration",
    "FitOptions",
    "GroupMatrix",
    "HonestGroups",
    "Refit",
    "Settings",
    "calibration_row",
    "calibrations",
    "fit",
    "group_matrix",
    "refit",
    "run",
    "score_groups",
    "shipped",
    "signal_weights",
    "single_customer_groups",
]

"""Signals of a group become one score, and the score a verdict that counts people."""

from stillwatch.scoring.calibration import Calibration, shipped
from stillwatch.scoring.fit import FitOptions, HonestGroups, fit
from stillwatch.scoring.run import READS, WRITES, calibration_row, calibrations, run, score_groups
from stillwatch.scoring.settings import Settings

__all__ = [
    "READS",
    "WRITES",
    "Calibration",
    "FitOptions",
    "HonestGroups",
    "Settings",
    "calibration_row",
    "calibrations",
    "fit",
    "run",
    "score_groups",
    "shipped",
]

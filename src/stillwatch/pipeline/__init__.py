"""The order of the stages: the only room that knows two of them."""

from stillwatch.pipeline.daily import FEATURE_ROWS, Progress, refresh_features, silent, stale_days
from stillwatch.pipeline.detection import (
    Outcome,
    Question,
    calibrate,
    detect,
    earlier_runs,
    run_inputs,
    window_tables,
)
from stillwatch.pipeline.exposure import Exposed, expose, measure_exposure
from stillwatch.pipeline.pulse import take_pulse
from stillwatch.pipeline.stages import detection_stages, run_stages

__all__ = [
    "FEATURE_ROWS",
    "Exposed",
    "Outcome",
    "Progress",
    "Question",
    "calibrate",
    "detect",
    "detection_stages",
    "earlier_runs",
    "expose",
    "measure_exposure",
    "refresh_features",
    "run_inputs",
    "run_stages",
    "silent",
    "stale_days",
    "take_pulse",
    "window_tables",
]

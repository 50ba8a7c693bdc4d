"""What was taken, in money: heads of damage apart, with ranges, and never added twice."""

from stillwatch.exposure.damages.heads import HEADS, Head
from stillwatch.exposure.damages.result import RULES, Assessment, Combination, HeadResult, Swing, as_rows, assess
from stillwatch.exposure.damages.taken import quantities
from stillwatch.exposure.damages.worksheet import CapabilityInput, Quantities, Range, Worksheet, blank_worksheet

__all__ = [
    "HEADS",
    "RULES",
    "Assessment",
    "CapabilityInput",
    "Combination",
    "Head",
    "HeadResult",
    "Quantities",
    "Range",
    "Swing",
    "Worksheet",
    "as_rows",
    "assess",
    "blank_worksheet",
    "quantities",
]

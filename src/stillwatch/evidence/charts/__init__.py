"""Figures of findings as Altair charts, in one style: a notebook shows them and the report of a dossier prints them.

Each is a pure function of rows.
Needs Altair and vl-convert (extra `report` or `notebook`): import it where something is drawn.
"""

from stillwatch.evidence.charts.network import network
from stillwatch.evidence.charts.svg import svg
from stillwatch.evidence.charts.taken import Span, coverage, intervals
from stillwatch.evidence.charts.timeline import timeline
from stillwatch.evidence.charts.waterfall import waterfall
from stillwatch.evidence.charts.worth import amounts

__all__ = ["Span", "amounts", "coverage", "intervals", "network", "svg", "timeline", "waterfall"]

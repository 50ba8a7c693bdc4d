"""Findings as Altair charts: what a notebook shows and what the studio and the documentation are drawn from.

Each chart is a pure function of Arrow rows in its own file; `Charts` gathers the rows from a workspace.
"""

from stillwatch.python_api.charts.gathered import Charts
from stillwatch.python_api.charts.offline import Figure, page, save_html

__all__ = ["Charts", "Figure", "page", "save_html"]

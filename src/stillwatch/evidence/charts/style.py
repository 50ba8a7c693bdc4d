"""What all charts share: colours, sizes, and rows that Altair takes as they are."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

import altair as alt

from stillwatch.model.inert import visible

WIDTH: Final = 640
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREY: Final = "#9aa5b1"
PALE: Final = "#cfd8e3"
INK: Final = "#1b1f24"
ROW: Final = 24
"""Height of a row of a bar chart."""
"""Blue and orange of Okabe and Ito (2008), told apart with every common colour blindness; shape or label say it too."""
TIERS: Final = ("accuse", "review")
TIER_COLOURS: Final = (ORANGE, BLUE)


def inline(rows: Iterable[Mapping[str, object]]) -> alt.InlineData:
    """The rows inside the chart: nothing to fetch, no cap on their number, text made inert."""
    return alt.InlineData(values=[{name: _plain(value) for name, value in row.items()} for row in rows])


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return visible(value) if isinstance(value, str) else value

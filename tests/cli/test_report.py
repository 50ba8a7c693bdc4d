import re
from datetime import UTC, datetime

import pytest

from stillwatch.cli.report.charts import LABEL, WIDTH, timeline, waterfall

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_names_in_a_chart_are_inert() -> None:
    chart = timeline([("<script>alert(1)</script>", NOW, NOW)], NOW, NOW.replace(day=2))
    assert "<script" not in chart
    assert "&lt;script" in chart


def test_the_waterfall_goes_from_the_baseline_through_the_contributions_to_the_score() -> None:
    chart = waterfall(["volume_dispersion", "youth"], [3.0, 0.5], baseline=-1.5, score=1.7)
    assert re.findall(r">([+-]?[0-9.]+)<", chart) == ["-1.5", "+3.0", "+0.5", "-0.3", "1.7"]


@pytest.mark.parametrize(("baseline", "score"), [(-6.0, -2.5), (-6.0, 4.0), (2.0, 5.5), (0.0, 0.0)])
def test_no_bar_of_the_waterfall_leaves_the_chart(baseline: float, score: float) -> None:
    chart = waterfall(["volume_dispersion", "youth"], [3.0, 0.5], baseline=baseline, score=score)
    bars = [
        (float(x), float(width)) for x, width in re.findall(r'<rect x="([0-9.-]+)" y="\d+" width="([0-9.-]+)"', chart)
    ]
    assert all(x >= LABEL and x + width <= WIDTH for x, width in bars)

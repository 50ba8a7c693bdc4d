from datetime import UTC, datetime

from stillwatch.cli.report.charts import timeline, waterfall

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_names_in_a_chart_are_inert() -> None:
    chart = timeline([("<script>alert(1)</script>", NOW, NOW)], NOW, NOW.replace(day=2))
    assert "<script" not in chart
    assert "&lt;script" in chart


def test_the_waterfall_shows_weighted_steps_and_ends_at_the_score() -> None:
    chart = waterfall(["volume_dispersion", "youth"], [1e-3, 1e-2], [1.0, 0.25], 3.2)
    assert "+3.0" in chart
    assert "+0.5" in chart
    assert "-0.3" in chart
    assert ">3.2<" in chart

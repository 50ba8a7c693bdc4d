"""The figures of a report: its rows as charts, drawn as SVG."""

from datetime import date, timedelta
from typing import Final

from stillwatch.errors import EnvironmentFault
from stillwatch.evidence.case import Case, Row
from stillwatch.evidence.report.words import inert, money, number, plain_name

ALL: Final = "all"
"""Capability of the row that adds up all others."""
NETWORK: Final = (560, 400)
"""Width and height of the picture of the network."""


def _daily(case: Case) -> list[tuple[date, int]]:
    """Flagged exchanges of every day of the window."""
    n: dict[date, int] = {}
    for row in case.tables["exposure_days"].to_pylist():
        n[row["day"]] = n.get(row["day"], 0) + row["n_flagged"]
    first = case.run["window_start"].date()
    last = (case.run["as_of"] - timedelta(microseconds=1)).date()
    return [(day, n.get(day, 0)) for day in (first + timedelta(days=k) for k in range((last - first).days + 1))]


def figures(case: Case, total: Row) -> dict[str, str]:
    """Every figure as SVG.

    Raises:
        EnvironmentFault: Altair or vl-convert is not installed.
    """
    try:
        from stillwatch.evidence import charts
    except ImportError as error:
        raise EnvironmentFault(
            "the report's figures need Altair and vl-convert: install them with `pip install 'stillwatch[report]'`"
        ) from error
    models = case.tables["exposure_models"].to_pylist()
    releases = [(inert(row["model"]), row["released_on"]) for row in models if row["released_on"] is not None]
    spans = [
        charts.Span(plain_name(row["capability"]), *_ends(row, "output_tokens"), number(row["output_tokens"]))
        for row in sorted(case.tables["exposures"].to_pylist(), key=lambda row: -row["output_tokens"])
        if row["capability"] != ALL and row["output_tokens_high"]
    ]
    drawn = {
        "timeline": (charts.timeline(_daily(case), total["alarm_at"], releases), "Exchanges in flagged slices by day"),
        "network": (
            charts.network(case.tables["members"]).properties(width=NETWORK[0], height=NETWORK[1]),
            "Accounts and the tokens that join them",
        ),
        "waterfall": (charts.waterfall(case.campaign), "What each signal adds to the score"),
        "exposure": (charts.intervals(spans, "output tokens"), "Output tokens taken, by capability"),
        "coverage": (
            charts.coverage(total["coverage_by_day"], case.run["window_start"]),
            "Share of the capability grid covered, by day",
        ),
    }
    heads = [] if case.money is None else [row for row in case.money.heads if row["median_usd"] is not None]
    if heads:
        worth = [
            charts.Span(row["title"], row["low_usd"], row["median_usd"], row["high_usd"], money(row["median_usd"]))
            for row in heads
        ]
        drawn["damages"] = (charts.amounts(worth), "Heads of damage, apart")
    return {name: charts.svg(chart, title) for name, (chart, title) in drawn.items()}


def _ends(row: Row, name: str) -> tuple[float, float, float]:
    return row[f"{name}_low"], row[name], row[f"{name}_high"]

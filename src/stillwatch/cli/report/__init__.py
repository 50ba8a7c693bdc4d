"""`report`: the findings as one HTML file that needs no network."""

from stillwatch.cli.report.verb import report, write_report

__all__ = ["report", "write_report"]

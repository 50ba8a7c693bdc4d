"""The report of a dossier: one content, as HTML and as PDF; and the page for those who may not hold it."""

from stillwatch.evidence.report.brief import brief
from stillwatch.evidence.report.content import content
from stillwatch.evidence.report.html import html_report
from stillwatch.evidence.report.pdf import pdf_report

__all__ = ["brief", "content", "html_report", "pdf_report"]

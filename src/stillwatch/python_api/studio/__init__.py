"""The campaign studio: one HTML file with a campaign's charts, tables and filters, which opens without network."""

from stillwatch.python_api.studio.built import studio_page

__all__ = ["studio_page"]

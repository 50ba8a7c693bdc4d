"""What readers see of stored runs: derived from the tables of several rooms, never stored."""

from stillwatch.pipeline.views.desk import Views

__all__ = ["Views"]

"""Questions asked of every group of slices at once: one file a signal, collected by walking this folder."""

from stillwatch.signals.catalog import catalog
from stillwatch.signals.settings import Settings
from stillwatch.signals.stage import READS, WRITES, run

__all__ = ["READS", "WRITES", "Settings", "catalog", "run"]

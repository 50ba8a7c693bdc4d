"""Flagged groups become campaigns with members, stable ids and account findings."""

from stillwatch.campaigns.run import READS, WRITES, run
from stillwatch.campaigns.settings import Settings

__all__ = ["READS", "WRITES", "Settings", "run"]

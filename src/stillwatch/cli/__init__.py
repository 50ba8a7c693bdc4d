"""Words for people: the command line. No SQL and no arithmetic here."""

from stillwatch.cli.app import main

__all__ = ["main"]

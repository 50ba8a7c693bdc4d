"""Years of a workspace: what is erased, how long rows are kept, and new keys, by segment and under one commit."""

from stillwatch.lifecycle.erase import Trace, erase, read_rows, trace
from stillwatch.lifecycle.rekey import Renamer, rekey

__all__ = ["Renamer", "Trace", "erase", "read_rows", "rekey", "trace"]

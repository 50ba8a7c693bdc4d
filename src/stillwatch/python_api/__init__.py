"""One opened workspace, for notebooks and for the command line: the same calls, the same numbers."""

from stillwatch.python_api.opened import Stillwatch, now
from stillwatch.python_api.rows import Explanation, Rows

__all__ = ["Explanation", "Rows", "Stillwatch", "now"]

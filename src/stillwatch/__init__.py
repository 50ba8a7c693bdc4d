"""stillwatch finds, proves and stops large-scale, unauthorised distillation of a model through its own API."""

from typing import TYPE_CHECKING

from stillwatch.version import __version__

if TYPE_CHECKING:
    from stillwatch.python_api import Stillwatch

__all__ = ["__version__", "open"]


def open(path: str) -> "Stillwatch":  # noqa: A001 - `stillwatch.open(path)` reads as what it does
    """The workspace at `path`, ready to ingest, detect and read findings."""
    from stillwatch.python_api import Stillwatch

    return Stillwatch.open(path)

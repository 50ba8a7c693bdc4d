"""Where expressions run. The only room that names a driver."""

from stillwatch.engines.base import Engine

__all__ = ["Engine"]

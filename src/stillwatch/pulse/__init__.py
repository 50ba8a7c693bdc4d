"""Whether what the whole population asks has moved: a pulse of the provider, never a test of an account."""

from stillwatch.pulse.settings import Settings
from stillwatch.pulse.stage import READS, WRITES, run

__all__ = ["READS", "WRITES", "Settings", "run"]

"""A demonstration on tiny models: a teacher with a keyed mark, students of it, and controls. Pure numpy, minutes."""

from stillwatch.provenance.demo.run import Outcome, demonstrate

__all__ = ["Outcome", "demonstrate"]

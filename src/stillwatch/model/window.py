"""A half-open span of UTC time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open interval `[start, end)`; both ends are aware UTC datetimes."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.tzinfo is None or moment.utcoffset() != timedelta(0):
                raise ValueError(f"window {name} must be an aware UTC datetime, got {moment!r}")
        if self.end <= self.start:
            raise ValueError(f"window must not be empty: start {self.start} is not before end {self.end}")

    def days(self) -> Iterator[date]:
        """Every calendar day (UTC) that the window touches, in order."""
        day = self.start.date()
        while datetime.combine(day, datetime.min.time(), self.start.tzinfo) < self.end:
            yield day
            day += timedelta(days=1)

    @property
    def n_days(self) -> int:
        """How many calendar days (UTC) the window touches."""
        return sum(1 for _ in self.days())

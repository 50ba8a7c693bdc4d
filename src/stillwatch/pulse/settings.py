"""What a deployment may choose about the pulse."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far back a day is compared, and how unusual it must be.

    A day is compared with the same weekday of the `n_weeks` weeks before, and its distance is ranked among those of the
    `n_days` days before. With the defaults a day can first be unusual after 40 days: 21 to compare with and 19 to rank
    among. Of quiet days about the share `level` is called unusual.
    """

    n_weeks: Annotated[int, Meta(ge=1)] = 3
    n_days: Annotated[int, Meta(ge=19)] = 70
    level: Annotated[float, Meta(gt=0, lt=0.5)] = 0.05

    @property
    def days_before(self) -> int:
        """Days before the first judged day of which aggregates are read."""
        return 7 * self.n_weeks + self.n_days

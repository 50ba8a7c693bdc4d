"""Settings of the exposure room."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the exchanges that a campaign took are told from what its accounts did beside."""

    min_own_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """A token is the campaign's own when at least this share of its adopters are members: a borrowed system prompt is
    not. A judgement; most campaigns' tokens have members only."""
    min_core_share: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """The low end of an interval counts only what carries an own token that at least this share of the core sends:
    what a handful of members share may be their habit. A judgement; a queue's templates reach nearly all accounts."""
    confidence: Annotated[float, Meta(gt=0.5, lt=1)] = 0.95
    """Of the printed intervals, two-sided."""
    min_testers: Annotated[int, Meta(ge=1)] = 5
    """A new model is released on the first day by which so many accounts have used it, as for the signal `pivot`."""
    history_days: Annotated[int, Meta(ge=0)] = 7
    """A model used within so many days of the window's beginning is not new, as for the signal `pivot`."""
    pace_days: Annotated[int, Meta(ge=1)] = 7
    """Last active days that give the pace at which a campaign would have gone on."""

"""A campaign as the watch loop announced it last."""

from dataclasses import dataclass
from datetime import datetime

from stillwatch.model.tier import Tier


@dataclass(frozen=True, slots=True)
class WatchedCampaign:
    """What was last said of a campaign. `tier` is that of the last run, NONE where it was not found any more.

    `highest_tier` is the highest one announced since it began or came back, `n_accounts` its size when that was
    announced last.
    """

    campaign_id: str
    tier: Tier
    highest_tier: Tier
    n_accounts: int
    has_pivoted: bool
    capabilities: tuple[str, ...]
    last_seen_at: datetime
    has_ended: bool = False

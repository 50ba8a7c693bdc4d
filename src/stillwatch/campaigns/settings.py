"""Settings of the campaigns room."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How flagged groups become campaigns and members.

    Group counts and shares are of accounts; sources: design section 6, steps 9 and 11.
    """

    min_shared_accounts: int = 2
    """Two flagged groups are one campaign when they share at least this many accounts ..."""
    min_shared_share: float = 0.1
    """... and at least this share of the smaller group."""
    min_exchanges: int = 3
    """An account is a member through one family of tokens only from this many exchanges on."""
    min_families: int = 2
    """... or through this many independent families of tokens, however few the exchanges."""
    min_exclusive_adopters: int = 20
    """A token can be exclusive to a campaign only from this many adopters on ..."""
    min_exclusive_share: float = 0.95
    """... of whom at least this share is in the campaign."""
    min_track_share: float = 0.3
    """A campaign keeps its id when this share of the smaller of both member sets, or of both token sets, is common."""
    min_owner_accounts: int = 5
    """Members of a campaign that belong to one verified owner go to the account manager from this many on."""
    growth_share: Annotated[float, Meta(gt=0)] = 0.25
    """A campaign's growth is announced when it has this share more accounts than when its size was announced last."""
    min_successors: Annotated[int, Meta(ge=1)] = 3
    """Successors are announced from this many on that began within one run: a coincidence is no hand-over."""
    quiet_days: Annotated[int, Meta(ge=1)] = 3
    """A campaign has ended when no exchange of it was seen for this long. A judgement: weekends are shorter."""
    pivot_p_value: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    """A campaign's turn to a new model is announced where the pivot signal is this rare in honest groups."""

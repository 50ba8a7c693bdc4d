"""Settings of the response room."""

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tokens recognise an account that nobody knew (design section 6, step 11)."""

    min_exclusive_adopters: int = 20
    """A token can be exclusive to a campaign only from this many adopters on ..."""
    min_exclusive_share: float = 0.95
    """... of whom at least this share is in the campaign."""
    max_peer_token_adopters: int = 5
    """What a peer names is not used for first requests where more accounts without a finding carry it: it is common."""
    max_tokens_per_kind: int = 64
    """Tokens of one kind kept for a campaign, most adopted first: a long prompt has hundreds of shingles."""

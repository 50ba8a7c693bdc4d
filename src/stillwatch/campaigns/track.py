"""Campaign ids that survive runs, bans and growth."""

from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from stillwatch.campaigns.settings import Settings


@dataclass(frozen=True, slots=True)
class Trace:
    """What a campaign is recognised by: its member accounts and its tokens (`kind:token`)."""

    accounts: frozenset[str]
    tokens: frozenset[str]

    def likeness(self, other: "Trace") -> float:
        """Larger of the two containments, of accounts and of tokens: 0 (nothing common) to 1."""
        return max(_containment(self.accounts, other.accounts), _containment(self.tokens, other.tokens))


def _containment(left: frozenset[str], right: frozenset[str]) -> float:
    smaller = min(len(left), len(right))
    return len(left & right) / smaller if smaller else 0.0


def new_campaign_id(trace: Trace) -> str:
    """An id that depends on the campaign's first tokens and accounts only: equal inputs give equal ids."""
    digest = blake2b(digest_size=5, person=b"stillwatch-camp")
    for part in (*sorted(trace.tokens), "", *sorted(trace.accounts)):
        digest.update(part.encode() + b"\0")
    return "c-" + b32encode(digest.digest()).decode().lower()


def assign_ids(found: Sequence[Trace], known: Mapping[str, Trace], settings: Settings) -> list[str]:
    """The id of each found campaign: that of the known campaign it is most like, each id given once, else a new one.

    Pairs are taken by falling likeness (ties: larger known campaign, then id). A campaign that falls apart keeps its
    id in the piece most like it; of campaigns that merge, the one most like the result gives the id.
    """
    pairs = sorted(
        (
            (-trace.likeness(other), -len(other.accounts), campaign_id, index)
            for index, trace in enumerate(found)
            for campaign_id, other in known.items()
            if trace.likeness(other) >= settings.min_track_share
        ),
    )
    given: dict[int, str] = {}
    for _, _, campaign_id, index in pairs:
        if index not in given and campaign_id not in given.values():
            given[index] = campaign_id
    return [given.get(index) or _fresh_id(trace, known, given) for index, trace in enumerate(found)]


def _fresh_id(trace: Trace, known: Mapping[str, Trace], given: Mapping[int, str]) -> str:
    campaign_id = new_campaign_id(trace)
    while campaign_id in known or campaign_id in given.values():
        campaign_id = new_campaign_id(Trace(trace.accounts, trace.tokens | {campaign_id}))
    return campaign_id

"""Who is a member of a campaign, through which slices, and how far the finding goes."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.evidence import count_distinct, encode, exchanges_by_pair, family_codes
from stillwatch.campaigns.gather import Evidence
from stillwatch.campaigns.settings import Settings

IntArray = npt.NDArray[np.int64]
FlagArray = npt.NDArray[np.bool_]

REVIEW, ACCUSE = 1, 2
"""Tier codes on the driver; 0 is no finding."""
HELD_BACK = (None, "few_exchanges", "unlike_members", "one_token_kind", "account_manager")
"""Why an account with slices in accused groups is not accused, by code; null where nothing held the verdict back."""
FEW_EXCHANGES, UNLIKE_MEMBERS, ONE_TOKEN_KIND, ACCOUNT_MANAGER = range(1, len(HELD_BACK))


@dataclass(frozen=True, slots=True)
class Members:
    """Accounts of campaigns: one row a (campaign, account) pair that the membership rule accepts, sorted by both.

    `tier` is REVIEW or ACCUSE; `group` is the row of the best group through which the account is a member;
    `n_exchanges` counts those inside flagged slices (a lower bound of the distinct ones); `held_back` is the code of
    what kept an account with slices in accused groups from being accused (HELD_BACK), among others that it is one of
    many of a verified owner or under contract and goes to an account manager.
    """

    campaign: IntArray
    account: IntArray
    tier: IntArray
    group: IntArray
    n_exchanges: IntArray
    held_back: IntArray

    @property
    def is_managed(self) -> FlagArray:
        """Which accounts go to an account manager."""
        return np.asarray(self.held_back == ACCOUNT_MANAGER)

    def of_pairs(self, campaign: IntArray, account: IntArray) -> FlagArray:
        """For parallel pair codes, whether each pair is a member."""
        width = max(self.account.max(initial=0), account.max(initial=0)) + 1
        return np.isin(campaign * width + account, self.campaign * width + self.account)

    def where(self, kept: FlagArray) -> "Members":
        """Only the rows that are marked."""
        return Members(*(getattr(self, name)[kept] for name in self.__slots__))


def settle_members(evidence: Evidence, settings: Settings) -> Members:
    """The members of each campaign (design section 6, step 9).

    An account is a member at tier *accuse* when the groups of that tier in which it is like the others carry enough
    evidence about it alone, at tier *review* when all flagged groups together do, and otherwise not at all. Where most
    accused members of a campaign share two independent kinds of tokens or more, one kind is not enough: a campaign may
    borrow the system prompt of an honest customer, who then shares that and nothing else. Who is accused in one
    campaign is not under review in another.
    """
    links = evidence.links
    width = len(evidence.accounts) or 1
    pairs, pair = np.unique(evidence.campaign * width + evidence.account, return_inverse=True)
    link_tier = np.where(evidence.is_misfit, REVIEW, _tier_codes(links["tier"]))
    has_enough = _has_evidence(links, pair, pairs.size, link_tier == ACCUSE, settings)
    has_one_kind = _share_one_kind_of_many(links, pair, link_tier == ACCUSE, pairs // width, has_enough)
    accused = has_enough & ~has_one_kind
    flagged = _has_evidence(links, pair, pairs.size, np.ones(pair.size, dtype=bool), settings)
    in_accused = (_any(pair, chosen, pairs.size) for chosen in (link_tier == ACCUSE, evidence.is_misfit))
    best = np.lexsort((evidence.group, -links["score"].to_numpy(), -link_tier, pair))
    _, first = np.unique(pair[best], return_index=True)
    members = Members(
        campaign=pairs // width,
        account=pairs % width,
        tier=np.where(accused, ACCUSE, np.where(flagged, REVIEW, 0)).astype(np.int64),
        group=evidence.group[best[first]],
        n_exchanges=exchanges_by_pair(pair, links, "n", pairs.size),
        held_back=np.select([accused, has_one_kind, *in_accused], [0, ONE_TOKEN_KIND, FEW_EXCHANGES, UNLIKE_MEMBERS]),
    )
    accused_somewhere = np.isin(members.account, members.account[members.tier == ACCUSE])
    return members.where((members.tier == ACCUSE) | ((members.tier == REVIEW) & ~accused_somewhere))


def _any(pair: IntArray, chosen: FlagArray, n_pairs: int) -> FlagArray:
    """For each pair, whether one of its links is chosen."""
    return np.bincount(pair[chosen], minlength=n_pairs) > 0


def _tier_codes(tiers: pa.ChunkedArray) -> IntArray:
    return np.where(pc.equal(tiers, "accuse").to_numpy(zero_copy_only=False).astype(bool), ACCUSE, REVIEW).astype(
        np.int64
    )


def _share_one_kind_of_many(
    links: pa.Table, pair: IntArray, chosen: FlagArray, campaign: IntArray, accused: FlagArray
) -> FlagArray:
    """Which pairs share one independent kind of tokens with a campaign whose accused members mostly share more."""
    rows = links.filter(pa.array(chosen))
    n_families = count_distinct(pair[chosen], family_codes(rows["token_kind"]), accused.size)
    n_campaigns = int(campaign.max(initial=-1)) + 1
    n_accused = np.bincount(campaign[accused], minlength=n_campaigns)
    n_through_many = np.bincount(campaign[accused & (n_families > 1)], minlength=n_campaigns)
    return np.asarray((2 * n_through_many > n_accused)[campaign] & (n_families == 1), dtype=np.bool_)


def _has_evidence(links: pa.Table, pair: IntArray, n_pairs: int, chosen: FlagArray, settings: Settings) -> FlagArray:
    rows = links.filter(pa.array(chosen))
    families = count_distinct(pair[chosen], family_codes(rows["token_kind"]), n_pairs)
    n = exchanges_by_pair(pair[chosen], rows, "n", n_pairs)
    return (families >= settings.min_families) | (n >= settings.min_exchanges)


def hand_to_account_manager(members: Members, owner: IntArray, has_contract: FlagArray, settings: Settings) -> Members:
    """The same members with those of one verified owner, or under contract, capped at review and held back.

    `owner` is a code of the verified owner of each *account* code (-1: none), `has_contract` a flag of each. A
    one-owner fleet behaves like a campaign; only who owns it tells them apart (notes on fleets, design section 6.9).
    Fleets that share a tool are one campaign of several owners, so each owner with enough accounts counts by itself; a
    campaign in which everybody has an owner of his own is no fleet.
    """
    owner_of_member = owner[members.account]
    pair = members.campaign * (int(owner.max(initial=0)) + 2) + owner_of_member + 1
    owned, n_owned = np.unique(pair[owner_of_member >= 0], return_counts=True)
    fleets = owned[n_owned >= settings.min_owner_accounts]
    managed = np.isin(pair, fleets) | has_contract[members.account]
    held_back = np.where(managed, ACCOUNT_MANAGER, members.held_back)
    return replace(members, held_back=held_back, tier=np.where(managed, REVIEW, members.tier))


def owners(accounts: pa.Table, ids: tuple[str, ...]) -> tuple[IntArray, FlagArray]:
    """Owner code (-1: none) and contract flag of each account id, from account snapshots (latest `as_of` counts)."""
    known = accounts.sort_by([("as_of", "ascending")])
    position = {account_id: index for index, account_id in enumerate(ids)}
    index = np.asarray([position.get(value, -1) for value in known["account_id"].to_pylist()], dtype=np.int64)
    owner = np.full(len(ids), -1, dtype=np.int64)
    contract = np.zeros(len(ids), dtype=bool)
    hit = index >= 0
    names = known["verified_owner"].fill_null("")
    encoded = encode(names)
    empty = np.asarray([value == "" for value in encoded.values], dtype=bool)
    codes = np.where(empty[encoded.codes], -1, encoded.codes) if encoded.codes.size else encoded.codes
    tagged = pc.greater(pc.fill_null(pc.list_value_length(known["contract_tags"]), 0), 0)
    owner[index[hit]] = codes[hit]
    contract[index[hit]] = tagged.to_numpy(zero_copy_only=False).astype(bool)[hit]
    return owner, contract

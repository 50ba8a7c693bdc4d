"""Hits by ownership: accounts whose company blocked owners, or owners in countries not served, hold by the half."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from stillwatch.screening.listed import Entry
from stillwatch.screening.names import parse_name
from stillwatch.screening.outcome import Cause, Hit, Level
from stillwatch.screening.ownership import Owned, Stake, close_ownership
from stillwatch.screening.region import is_served
from stillwatch.screening.settings import OwnershipRule, Settings

NAMED_WORDS = 2
"""A company in the table of owners is a listed one by name only when the name has this many words."""


def ownership_hits(
    accounts: Mapping[str, Sequence[str]],
    digests: Mapping[str, str],
    stakes: Sequence[Stake],
    entries: Sequence[Entry],
    *,
    on: date,
    settings: Settings,
) -> list[Hit]:
    """Hits of every rule in force on the day, by account.

    `accounts` maps an account to what it may be called in the table of owners: its id, its organisation, its owner.
    Owners that are listed are named there as `list:entry`, or by a listed name of two words or more.
    """
    hits = []
    for rule in settings.ownership_rules:
        if rule.is_in_force(on):
            blocked = _blocked(stakes, entries, rule)
            owned = close_ownership(stakes, blocked, on=on, percent=rule.percent)
            hits += _hits(accounts, digests, owned, cause=Cause.OWNERSHIP, rule=rule.name)
    outside = _outside(stakes, settings)
    owned = close_ownership(stakes, outside, on=on, percent=100 * settings.majority_share)
    hits += _hits(accounts, digests, owned, cause=Cause.REGION, rule="owners in countries not served")
    return sorted(hits, key=lambda hit: (hit.account_id, hit.cause, hit.object_id))


def _blocked(stakes: Iterable[Stake], entries: Sequence[Entry], rule: OwnershipRule) -> frozenset[str]:
    chosen = [entry for entry in entries if not rule.lists or entry.list_id in rule.lists]
    keys = {entry.key for entry in chosen}
    names = {_words(name) for entry in chosen for name in entry.names}
    nodes = {node for stake in stakes for node in (stake.owner, stake.owned)}
    return frozenset(
        node for node in nodes if node in keys or (len(_words(node)) >= NAMED_WORDS and _words(node) in names)
    )


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(parse_name(name).core))


def _outside(stakes: Iterable[Stake], settings: Settings) -> frozenset[str]:
    return frozenset(
        stake.owner for stake in stakes if stake.owner_country and not is_served(stake.owner_country, settings)
    )


def _hits(
    accounts: Mapping[str, Sequence[str]],
    digests: Mapping[str, str],
    owned: Mapping[str, Owned],
    *,
    cause: Cause,
    rule: str,
) -> list[Hit]:
    hits = []
    for account, called in accounts.items():
        for company in sorted(set(called) & owned.keys()):
            found = owned[company]
            level = Level.HOLD if found.is_certain and cause.may_hold else Level.REVIEW
            reasons = [f"rule {rule}: {found.reason}"]
            if not found.is_certain:
                reasons.append("a share that nobody states decides it: ask for the ownership")
            said = msgspec.json.encode([rule, found])
            object_digest = hashlib.blake2b(said, digest_size=16).hexdigest()
            hits.append(Hit(account, cause, level, company, rule, tuple(reasons), digests[account], object_digest))
    return hits

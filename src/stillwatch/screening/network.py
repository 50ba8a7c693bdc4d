"""What kind of network accounts come from, how sure that is, and how many unrelated accounts share it."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from stillwatch.screening.ranges import Network

HOSTING_WORDS: Final = re.compile(
    r"\b(?:hosting|hosted|host|cloud|datacent(?:er|re)|data cent(?:er|re)|server|servers|vps|colo|colocation|dedicated|"
    r"virtual|compute)\b",
    re.IGNORECASE,
)
VPN_WORDS: Final = re.compile(r"\b(?:vpn|proxy|proxies|anonymi[sz]\w*|tunnel|tor exit)\b", re.IGNORECASE)
"""Words in an operator's name. They say little: many a VPN calls itself a telecom, and the other way round."""


_LISTED: Final = re.compile(r'\s*"?(?:AS)?(?P<asn>\d{1,10})"?\s*(?:[,#\s]\s*(?P<operator>.*))?$', re.IGNORECASE)


class NetworkKind(StrEnum):
    """What a network is used for."""

    HOSTING = "hosting"
    VPN = "vpn"
    UNKNOWN = "unknown"


class Sureness(StrEnum):
    """How well the kind of a network is known. No free list is authoritative, and each of them ages."""

    AGREED = "agreed"
    """Two lists or more say so."""
    LISTED = "listed"
    """One list says so."""
    GUESSED = "guessed"
    """Only the operator's name sounds like it."""
    NONE = "none"
    """Nothing says so."""


@dataclass(frozen=True, slots=True)
class Classified:
    """The kind of one network, how sure it is, and what says so."""

    network: Network
    kind: NetworkKind
    sureness: Sureness
    said_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkList:
    """A list of networks of one kind, by name of its file, with the operators that it names."""

    name: str
    kind: NetworkKind
    operators: Mapping[int, str]


def read_network_list(name: str, kind: NetworkKind, body: str) -> NetworkList:
    """ASNs from lines `AS64500 # operator` or `64500,"operator"`; lines that begin otherwise are passed over."""
    operators = {
        int(found["asn"]): (found["operator"] or "").strip().strip('"')
        for found in map(_LISTED.match, body.splitlines())
        if found
    }
    return NetworkList(name, kind, operators)


def classify(network: Network, lists: Sequence[NetworkList]) -> Classified:
    """The kind of a network. A VPN list wins over a hosting list, since every VPN is hosted somewhere."""
    said = {kind: [one for one in lists if one.kind is kind and network.asn in one.operators] for kind in NetworkKind}
    names = [one.operators[network.asn] for one in lists if network.asn in one.operators]
    named = Network(network.asn, network.operator or next(filter(None, names), ""))
    for kind in (NetworkKind.VPN, NetworkKind.HOSTING):
        if said[kind]:
            # NOTE: for a VPN a hosting list is a second voice: both say that nobody lives there.
            voices = tuple(
                one.name for one in (*said[kind], *(said[NetworkKind.HOSTING] if kind is NetworkKind.VPN else ()))
            )
            return Classified(named, kind, Sureness.AGREED if len(voices) > 1 else Sureness.LISTED, voices)
    for kind, words in ((NetworkKind.VPN, VPN_WORDS), (NetworkKind.HOSTING, HOSTING_WORDS)):
        if words.search(named.operator):
            return Classified(named, kind, Sureness.GUESSED, ("operator's name",))
    return Classified(named, NetworkKind.UNKNOWN, Sureness.NONE, ())


def count_unrelated(accounts: Sequence[str], ties: Mapping[str, Collection[str]]) -> int:
    """How many groups the accounts fall into when those that share any tie are one.

    `ties` are an account's organisation, payment, device, name and verified owner, each marked with its kind.
    """
    if not accounts:
        return 0
    columns: dict[str, int] = {}
    rows, cells = [], []
    for row, account in enumerate(accounts):
        for tie in ties.get(account, ()):
            rows.append(row)
            cells.append(columns.setdefault(tie, len(columns)))
    n_accounts, n_nodes = len(accounts), len(accounts) + len(columns)
    edges = (np.ones(len(rows), np.int8), (np.array(rows, np.int64), np.array(cells, np.int64) + n_accounts))
    _, labels = connected_components(sparse.coo_matrix(edges, shape=(n_nodes, n_nodes)), directed=False)
    return len(set(labels[:n_accounts].tolist()))


@dataclass(frozen=True, slots=True)
class Crowd:
    """The accounts that mostly come from one network."""

    classified: Classified
    accounts: tuple[str, ...]
    n_unrelated: int
    n_exchanges: int

    def is_for_review(self, least: int) -> bool:
        """Whether the network is one where nobody lives, with at least `least` unrelated accounts behind it."""
        return self.classified.kind is not NetworkKind.UNKNOWN and self.n_unrelated >= least


def crowds(
    uses: Iterable[tuple[str, Network, int]],
    ties: Mapping[str, Collection[str]],
    lists: Sequence[NetworkList],
    *,
    min_share: float,
) -> list[Crowd]:
    """Networks with the accounts that have at least `min_share` of their exchanges there, most unrelated first.

    `uses` are account, network and number of exchanges. Many accounts behind an access network are normal (mobile
    carriers put millions behind one address); which of these crowds matter is the caller's to say.
    """
    by_account: dict[str, Counter[int]] = defaultdict(Counter)
    networks: dict[int, Network] = {}
    for account, network, n in uses:
        by_account[account][network.asn] += n
        if not networks.get(network.asn, Network(0)).operator:
            networks[network.asn] = network
    members: dict[int, dict[str, int]] = defaultdict(dict)
    for account, counts in by_account.items():
        total = sum(counts.values())
        for asn, n in counts.items():
            if n >= min_share * total:
                members[asn][account] = n
    found = [
        Crowd(
            classify(networks[asn], lists), tuple(sorted(mine)), count_unrelated(sorted(mine), ties), sum(mine.values())
        )
        for asn, mine in members.items()
    ]
    return sorted(found, key=lambda crowd: (-crowd.n_unrelated, crowd.classified.network.asn))

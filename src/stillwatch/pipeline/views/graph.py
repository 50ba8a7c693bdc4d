"""A campaign as a graph: accounts and the tokens that link them, gathered into groups and laid out on a plane.

Everything is a function of the campaign's stored slices: the same slices give the same graph, to the last digit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from stillwatch.model.tables.views import GRAPH_EDGES, GRAPH_NODES
from stillwatch.stats.layout import pack_circles, sunflower

Level = Literal["groups", "accounts"]
Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

MOST_GROUPS: Final = 400
"""Groups that are told apart: more circles than a screen shows. The last one holds all smaller ones."""
SEED: Final = 20260422
"""Of the communities' order of visits; any would do, it only has to stay the same."""
ACCOUNT_SIZE: Final = 0.4
TOKEN_SIZE: Final = 0.6
RING: Final = 2.0
"""Room around a group's accounts for its tokens, in distances between accounts."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges that are shown, and how many there are in all.

    `nodes` has the shape GRAPH_NODES, `edges` GRAPH_EDGES. Totals are those of the campaign: its accounts, its tokens
    that two accounts or more carry (others link nobody: `n_lone_tokens`), its groups, and all edges of the level.
    `kinds` has `token_kind, n_tokens, n_edges` over the whole campaign.
    """

    level: Level
    group: int | None
    nodes: pa.Table
    edges: pa.Table
    accounts_total: int
    tokens_total: int
    n_lone_tokens: int
    groups_total: int
    nodes_total: int
    edges_total: int
    kinds: pa.Table

    def counts(self) -> dict[str, Any]:
        """What is shown of how much."""
        shown = {row["values"]: row["counts"] for row in self.nodes["kind"].value_counts().to_pylist()}
        return {
            "level": self.level,
            "group": self.group,
            "accounts_total": self.accounts_total,
            "accounts_shown": self._behind(),
            "tokens_total": self.tokens_total,
            "tokens_shown": shown.get("token", 0),
            "lone_tokens": self.n_lone_tokens,
            "groups_total": self.groups_total,
            "groups_shown": len(pc.unique(self.nodes["group"])),
            "nodes_total": self.nodes_total,
            "nodes_shown": self.nodes.num_rows,
            "edges_total": self.edges_total,
            "edges_shown": self.edges.num_rows,
            "kinds": self.kinds.to_pylist(),
        }

    def _behind(self) -> int:
        """Accounts that the nodes stand for."""
        is_token = pc.equal(self.nodes["kind"], "token")
        return int(pc.sum(self.nodes.filter(pc.invert(is_token))["n_accounts"]).as_py() or 0)


@dataclass(frozen=True, slots=True)
class Laid:
    """A campaign's graph, laid out once: what every level and filter is cut from.

    `slices` has one row a slice of a linking token: codes of account and token, and exchanges. Accounts are sorted by
    id; `group` and `at` are parallel to them, `token_group` and `token_at` to the tokens.
    """

    accounts: pa.Array
    tiers: pa.Array
    n_by_account: Ints
    token_kinds: npt.NDArray[np.str_]
    tokens: Ints
    account_of: Ints
    token_of: Ints
    n_of: Ints
    group: Ints
    token_group: Ints
    at: Reals
    token_at: Reals
    centres: Reals
    radii: Reals
    group_edges: pa.Table
    n_lone_tokens: int

    def cut(self, level: Level, *, group: int | None = None, kinds: Collection[str] | None = None) -> Graph:
        """The graph at one level; `group` keeps one group's accounts and their tokens, `kinds` edges of these kinds."""
        nodes, edges = (self._accounts(group, kinds)) if level == "accounts" else self._groups(group, kinds)
        return Graph(
            level=level, group=group, nodes=nodes, edges=edges, accounts_total=len(self.accounts),
            tokens_total=self.tokens.size, n_lone_tokens=self.n_lone_tokens, groups_total=self.radii.size,
            nodes_total=self.radii.size if level == "groups" else len(self.accounts) + self.tokens.size,
            edges_total=self.group_edges.num_rows if level == "groups" else self.n_of.size,
            kinds=self._kinds(),
        )  # fmt: skip

    def _kinds(self) -> pa.Table:
        kinds, n_tokens = np.unique(self.token_kinds, return_counts=True)
        n_edges = [int((self.token_kinds[self.token_of] == kind).sum()) for kind in kinds]
        return pa.table({"token_kind": kinds.tolist(), "n_tokens": n_tokens.tolist(), "n_edges": n_edges})

    def _accounts(self, group: int | None, kinds: Collection[str] | None) -> tuple[pa.Table, pa.Table]:
        """Accounts and tokens. A token whose kind or holders are not asked for is not shown; no account ever goes."""
        chosen = np.ones(len(self.accounts), dtype=bool) if group is None else self.group == group
        wanted = np.ones(self.tokens.size, dtype=bool) if kinds is None else np.isin(self.token_kinds, sorted(kinds))
        kept = chosen[self.account_of] & wanted[self.token_of]
        has_edge = np.zeros(self.tokens.size, dtype=bool)
        has_edge[self.token_of[kept]] = True
        places, token_places = np.flatnonzero(chosen), np.flatnonzero(has_edge)
        nodes = pa.concat_tables([self._account_nodes(places), self._token_nodes(token_places, places.size)])
        number, token_number = np.cumsum(chosen) - 1, np.cumsum(has_edge) - 1 + places.size
        edges = pa.table(
            [
                number[self.account_of[kept]],
                token_number[self.token_of[kept]],
                self.token_kinds[self.token_of[kept]].astype(object),
                self.n_of[kept],
            ],
            schema=GRAPH_EDGES,
        )
        return nodes, edges

    def _account_nodes(self, places: Ints) -> pa.Table:
        n = places.size
        return pa.table(
            [
                np.arange(n), ["account"] * n, self.accounts.take(places), self.group[places], self.tiers.take(places),
                pa.nulls(n, pa.string()), np.ones(n, dtype=np.int64), self.n_by_account[places], self.at[places, 0],
                self.at[places, 1], np.full(n, ACCOUNT_SIZE),
            ],
            schema=GRAPH_NODES,
        )  # fmt: skip

    def _token_nodes(self, places: Ints, first: int) -> pa.Table:
        n = places.size
        holders = np.bincount(self.token_of, minlength=self.tokens.size)
        exchanges = np.bincount(self.token_of, self.n_of, minlength=self.tokens.size).astype(np.int64)
        return pa.table(
            [
                np.arange(first, first + n), ["token"] * n, pa.array(self.tokens[places]).cast(pa.string()),
                self.token_group[places], pa.nulls(n, pa.string()), self.token_kinds[places].astype(object),
                holders[places], exchanges[places], self.token_at[places, 0], self.token_at[places, 1],
                np.full(n, TOKEN_SIZE),
            ],
            schema=GRAPH_NODES,
        )  # fmt: skip

    def _groups(self, group: int | None, kinds: Collection[str] | None) -> tuple[pa.Table, pa.Table]:
        """One node a group, and edges between groups by kind: the number of tokens that accounts of both carry."""
        n = self.radii.size
        sizes = np.bincount(self.group, minlength=n)
        exchanges = np.bincount(self.group, self.n_by_account, minlength=n).astype(np.int64)
        nodes = pa.table(
            [
                np.arange(n), ["group"] * n, [str(number) for number in range(n)], np.arange(n),
                pa.nulls(n, pa.string()), pa.nulls(n, pa.string()), sizes, exchanges, self.centres[:, 0],
                self.centres[:, 1], self.radii,
            ],
            schema=GRAPH_NODES,
        )  # fmt: skip
        edges = self.group_edges
        if kinds is not None:
            edges = edges.filter(pc.is_in(edges["token_kind"], pa.array(sorted(kinds), pa.string())))
        if group is not None:
            edges = edges.filter(pc.or_(pc.equal(edges["source"], group), pc.equal(edges["target"], group)))
        return nodes, edges


def lay_out(members: pa.Table, findings: pa.Table) -> Laid:
    """The graph of one campaign; `members` are its CAMPAIGN_MEMBERS, `findings` its ACCOUNT_FINDINGS."""
    accounts = pc.unique(members["account_id"]).sort()
    account_of = pc.index_in(members["account_id"], value_set=accounts).to_numpy().astype(np.int64)
    names = pc.binary_join_element_wise(members["token_kind"], members["token"].cast(pa.string()), ":")
    distinct = names.unique().sort()
    token_of = pc.index_in(names, value_set=distinct).to_numpy().astype(np.int64)
    n_of = members["n"].to_numpy()
    holders = np.bincount(token_of, minlength=len(distinct))
    links = holders > 1
    kept = links[token_of]
    new_code = np.cumsum(links) - 1
    linking = np.asarray(distinct.to_pylist(), dtype=str)[links]
    kinds, tokens = (np.asarray(part, dtype=str) for part in _split(linking))
    account_kept, token_kept = account_of[kept], new_code[token_of[kept]]
    group, token_group = _groups(account_kept, token_kept, len(accounts), tokens.size)
    at, token_at, centres, radii = _places(group, token_group, account_kept, token_kept)
    order = np.lexsort((token_kept, account_kept))
    return Laid(
        accounts=accounts, tiers=_tiers(accounts, findings), n_by_account=_most(account_of, n_of, len(accounts)),
        token_kinds=kinds, tokens=tokens.astype(np.int64), account_of=account_kept[order], token_of=token_kept[order],
        n_of=n_of[kept][order], group=group, token_group=token_group, at=at, token_at=token_at, centres=centres,
        radii=radii, group_edges=_group_edges(group, kinds, account_kept, token_kept),
        n_lone_tokens=int((~links).sum()),
    )  # fmt: skip


def _split(names: npt.NDArray[np.str_]) -> tuple[list[str], list[str]]:
    parts = [str(name).rpartition(":") for name in names]
    return [kind for kind, _, _ in parts], [token for _, _, token in parts]


def _tiers(accounts: pa.Array, findings: pa.Table) -> pa.Array:
    places = pc.index_in(accounts, value_set=findings["account_id"].combine_chunks())
    return pc.fill_null(findings["tier"].combine_chunks().take(places), "none")


def _most(account_of: Ints, n_of: Ints, n_accounts: int) -> Ints:
    """Exchanges of each account in its largest slice: no fewer lie inside the campaign."""
    most = np.zeros(n_accounts, dtype=np.int64)
    np.maximum.at(most, account_of, n_of)
    return most


def _groups(account_of: Ints, token_of: Ints, n_accounts: int, n_tokens: int) -> tuple[Ints, Ints]:
    """The group of each account and of each token, 0 the largest.

    Accounts that carry the same tokens are in one group, those without a linking token too. Otherwise communities of
    the two-sided graph by Louvain, where a token that all accounts carry weighs nothing: it tells no groups apart.
    """
    from sknetwork.clustering import Louvain

    if not n_tokens:
        return np.minimum(np.arange(n_accounts), MOST_GROUPS - 1), np.zeros(0, dtype=np.int64)
    holders = np.bincount(token_of, minlength=n_tokens)
    weights = np.log(n_accounts / holders[token_of]) + 1e-3
    alike = _alike(account_of, token_of, n_accounts, n_tokens)
    matrix = csr_matrix((weights, (alike[account_of], token_of)), shape=(int(alike.max()) + 1, n_tokens))
    found = Louvain(random_state=SEED).fit(matrix, force_bipartite=True)
    labels = np.asarray(found.labels_row_, dtype=np.int64)[alike]
    token_labels = np.asarray(found.labels_col_, dtype=np.int64)
    n_labels = int(max(labels.max(), token_labels.max())) + 1
    sizes = np.bincount(labels, minlength=n_labels)
    first = np.full(n_labels, n_accounts, dtype=np.int64)
    np.minimum.at(first, labels, np.arange(n_accounts))
    rank = np.empty(n_labels, dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(n_labels)
    last = min(int((sizes > 0).sum()), MOST_GROUPS) - 1
    return np.minimum(rank[labels], last), np.minimum(rank[token_labels], last)


def _alike(account_of: Ints, token_of: Ints, n_accounts: int, n_tokens: int) -> Ints:
    """A code for each account, equal where two carry the same tokens: the sum of a random number for each token.

    NOTE: 64 bits; two of a million different sets of tokens are taken for one with a probability below 1e-7.
    """
    numbers = np.random.default_rng(SEED).integers(0, 2**64, n_tokens, dtype=np.uint64)
    sums = np.zeros(n_accounts, dtype=np.uint64)
    np.add.at(sums, account_of, numbers[token_of])
    codes: Ints = np.unique(sums, return_inverse=True)[1].astype(np.int64)
    return codes


def _places(group: Ints, token_group: Ints, account_of: Ints, token_of: Ints) -> tuple[Reals, Reals, Reals, Reals]:
    """Places of accounts and of tokens, and centres and radii of groups.

    Accounts of a group stand as a sunflower, those with the same rarest token side by side; its tokens stand on a ring
    around them.
    """
    n_groups = int(group.max()) + 1
    sizes = np.bincount(group, minlength=n_groups)
    radii = np.sqrt(sizes) + RING
    pull = _pull(group, account_of, token_of, token_group.size, n_groups)
    centres = pack_circles(radii, pull)
    order = np.lexsort((np.arange(group.size), _rarest(group.size, account_of, token_of, token_group.size), group))
    at = np.zeros((group.size, 2))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for number in range(n_groups):
        at[order[starts[number] : starts[number + 1]]] = centres[number] + sunflower(int(sizes[number]))
    token_at = np.zeros((token_group.size, 2))
    for number in np.unique(token_group):
        mine = np.flatnonzero(token_group == number)
        angle = 2 * np.pi * np.arange(mine.size) / mine.size
        reach = radii[number] - RING / 2
        token_at[mine] = centres[number] + reach * np.column_stack([np.cos(angle), np.sin(angle)])
    return at, token_at, centres, radii


def _rarest(n_accounts: int, account_of: Ints, token_of: Ints, n_tokens: int) -> Ints:
    """The token of each account that fewest others carry; `n_tokens` where it has none."""
    holders = np.bincount(token_of, minlength=n_tokens)
    order = np.lexsort((token_of, holders[token_of], account_of))
    owners, first = np.unique(account_of[order], return_index=True)
    rarest = np.full(n_accounts, n_tokens, dtype=np.int64)
    rarest[owners] = token_of[order][first]
    return rarest


def _pull(group: Ints, account_of: Ints, token_of: Ints, n_tokens: int, n_groups: int) -> Reals:
    """How many tokens accounts of two groups both carry, shape `(n_groups, n_groups)`."""
    pairs = np.unique(np.column_stack([group[account_of], token_of]), axis=0)
    carried = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_groups, n_tokens))
    pull: Reals = (carried @ carried.T).toarray()
    return pull


def _group_edges(group: Ints, kinds: npt.NDArray[np.str_], account_of: Ints, token_of: Ints) -> pa.Table:
    """GRAPH_EDGES between groups: for each kind, the number of tokens that accounts of both carry."""
    pairs = np.unique(np.column_stack([group[account_of], token_of]), axis=0)
    parts = [GRAPH_EDGES.empty_table()]
    for kind in np.unique(kinds):
        mine = pairs[kinds[pairs[:, 1]] == kind]
        shape = (int(group.max()) + 1, kinds.size)
        carried = csr_matrix((np.ones(len(mine), dtype=np.int64), (mine[:, 0], mine[:, 1])), shape=shape)
        both = (carried @ carried.T).tocoo()
        upper = both.row < both.col
        rows = np.column_stack([both.row[upper], both.col[upper], both.data[upper]]).astype(np.int64)
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        parts.append(pa.table([rows[:, 0], rows[:, 1], [str(kind)] * len(rows), rows[:, 2]], schema=GRAPH_EDGES))
    return pa.concat_tables(parts).combine_chunks()

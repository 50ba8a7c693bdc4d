"""G3 and G4: accounts that share several rare tokens, and communities inside of oversized components.

Components over *all* tokens percolate through shared addresses and are never formed: a token links only where few
accounts have it, and two accounts are linked only by several facts that do not imply each other (`kinds.FAMILIES`).
One exception is accepted: two bundles from variants of one text count twice. Links only propose; signals judge.

A linked account needs one slice. It is the union of its slices over the shared rare tokens of the component's *lead
kind*, the kind that covers most accounts of the component: within one kind an exchange carries one token, so adding up
counts each exchange once, which adding up over kinds would not. (Bundles of shingles may overlap; then volumes are
counted up to several times, which makes the group look less balanced, never more.) Accounts without a slice of the
lead kind are not members.
"""

import ctypes
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from stillwatch.engines import Engine
from stillwatch.grouping.kinds import FAMILIES
from stillwatch.grouping.settings import Settings
from stillwatch.model.table import Home, Table, column

if TYPE_CHECKING:
    import ibis.expr.types as ir

COMPONENTS = Table(
    name="components",
    made_by="grouping",
    key=("account",),
    home=Home.RUN,
    schema=pa.schema(
        [
            column("account", pa.int64(), "dense account code of the run", required=True),
            column("component", pa.int64(), "ascending in its smallest account", required=True),
            column("proposal", pa.string(), "linked (G3) or community (G4)", required=True),
        ]
    ),
)


def linked_pairs(pairs: "ir.Table", codes: "ir.Table", *, engine: Engine, settings: Settings) -> "ir.Table":
    """The pairs behind linked slices: columns of `pairs` with `component`, `proposal` and `link_token`.

    `link_token`, the smallest shared token of the component's lead kind, names the component.
    """
    rare = engine.materialize(rare_pairs(pairs, engine=engine, settings=settings))
    edges = rare_edges(rare, settings)
    components = engine.from_arrow(COMPONENTS, find_components(_edge_arrays(edges, engine), settings))
    inside = rare.inner_join(components, "account")
    shared = inside.group_by("component", "token_kind", "token").agg(df_inside=inside.count())
    backed = inside.inner_join(shared.filter(shared.df_inside >= 2), ["component", "token_kind", "token"])
    return engine.materialize(_of_lead_kind(backed, settings).inner_join(codes, "account"))


def rare_pairs(pairs: "ir.Table", *, engine: Engine, settings: Settings) -> "ir.Table":
    """Pairs of tokens with a document frequency so low that all their pairs of accounts number at most `max_pairs`."""
    rare = pairs.filter(pairs.df <= settings.rare_accounts)
    sizes = engine.to_arrow(rare.group_by("df").agg(n_rows=rare.count()).order_by("df"))
    df = sizes["df"].to_numpy()
    n_pairs = np.cumsum(sizes["n_rows"].to_numpy() * (df - 1) // 2)
    fitting = df[n_pairs <= settings.max_pairs]
    return rare.filter(rare.df <= (int(fitting[-1]) if len(fitting) else 0))


def rare_edges(rare: "ir.Table", settings: Settings) -> "ir.Table":
    """Pairs of accounts, `account < other`, with `weight` >= `min_shared`: rare tokens shared, by independent kinds.

    Of the kinds of one family only the one with most shared tokens counts.
    """
    family = ibis.cases(*((rare.token_kind == kind, name) for kind, name in FAMILIES.items()), else_=rare.token_kind)
    left = rare.select("token_kind", "token", "account", family=family)
    right = left.select("token_kind", "token", other="account").view()
    met = left.inner_join(right, ["token_kind", "token", left.account < right.other])
    by_kind = met.group_by("account", "other", "family", "token_kind").agg(n=met.count())
    by_family = by_kind.group_by("account", "other", "family").agg(n=by_kind.n.max())
    edges = by_family.group_by("account", "other").agg(weight=by_family.n.sum())
    return edges.filter(edges.weight >= settings.min_shared)


def find_components(edges: NDArray[np.int64], settings: Settings) -> pa.Table:
    """Rows of `components`: connected accounts of at least `min_accounts`, oversized ones cut by Leiden.

    `edges` has the shape `(n_edges, 3)`: account, other, weight, in ascending order.
    """
    if not len(edges):
        return COMPONENTS.empty()
    accounts, ends = np.unique(edges[:, :2], return_inverse=True)
    ends = ends.reshape(-1, 2)
    size = len(accounts)
    graph = csr_matrix((edges[:, 2].astype(np.float64), (ends[:, 0], ends[:, 1])), shape=(size, size))
    graph = graph + graph.T
    n_components, label = connected_components(graph, directed=False)
    is_cut = np.bincount(label)[label] > settings.community_accounts
    for component in np.unique(label[is_cut]):
        inside = np.flatnonzero(label == component)
        label[inside] = n_components + _communities(graph[inside][:, inside], settings.seed)
        n_components = int(label.max()) + 1
    keep = np.bincount(label)[label] >= settings.min_accounts
    _, first = np.unique(label[keep], return_index=True)
    rank = np.searchsorted(np.sort(first), first[np.unique(label[keep], return_inverse=True)[1]])
    return pa.table(
        [accounts[keep], rank, pc.if_else(pa.array(is_cut[keep]), "community", "linked")], schema=COMPONENTS.schema
    )


def _communities(graph: csr_matrix, seed: int) -> NDArray[np.int64]:
    """Communities by Leiden, equal for equal graphs.

    NOTE: scikit-network 0.33 refines with the C library's own generator, whatever `random_state` is; that generator is
    seeded here.
    """
    from sknetwork.clustering import Leiden

    ctypes.CDLL(None).srand(seed)
    return np.asarray(Leiden(random_state=seed).fit_predict(graph), dtype=np.int64)


def _edge_arrays(edges: "ir.Table", engine: Engine) -> NDArray[np.int64]:
    rows = engine.to_arrow(edges.order_by("account", "other"))
    return np.column_stack([rows[name].to_numpy().astype(np.int64) for name in ("account", "other", "weight")])


def _of_lead_kind(backed: "ir.Table", settings: Settings) -> "ir.Table":
    """`backed` pairs of each component's lead kind: most accounts, then most exchanges, then first by name."""
    by_account = backed.group_by("component", "token_kind", "account").agg(n=backed.n.sum())
    kinds = by_account.group_by("component", "token_kind").agg(n_accounts=by_account.count(), n=by_account.n.sum())
    kinds = kinds.filter(kinds.n_accounts >= settings.min_accounts)
    order = [kinds.n_accounts.desc(), kinds.n.desc(), kinds.token_kind.asc()]
    ranked = kinds.mutate(nth=ibis.row_number().over(group_by=kinds.component, order_by=order))
    lead = ranked.filter(ranked.nth == 0).select("component", "token_kind")
    led = backed.inner_join(lead, ["component", "token_kind"])
    names = led.group_by("component").agg(link_token=led.token.min())
    return led.inner_join(names, "component")

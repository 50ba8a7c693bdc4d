"""A campaign's graph: every account is in it, at every level, and equal slices give equal places."""

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.model.tables import ACCOUNT_FINDINGS, CAMPAIGN_MEMBERS
from stillwatch.pipeline.views import graph as graphs
from stillwatch.pipeline.views.graph import Laid, lay_out

AT = datetime(2026, 5, 1, tzinfo=UTC)
Slice = tuple[int, str, int]
SLICES = st.sets(
    st.tuples(st.integers(0, 30), st.sampled_from(["skeleton", "ja4", "address"]), st.integers(-3, 3)), min_size=1
)


def members(slices: Iterable[Slice]) -> pa.Table:
    rows = [
        {"run_id": "r", "campaign_id": "c", "account_id": f"a-{account:02}", "token_kind": kind, "token": token,
         "n": account + 1, "first_seen_at": AT, "last_seen_at": AT}
        for account, kind, token in slices
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CAMPAIGN_MEMBERS.schema)


def findings(rows: pa.Table) -> pa.Table:
    found = [
        {"run_id": "r", "account_id": name, "tier": "accuse", "campaign_id": "c", "reasons": [], "n_exchanges": 1,
         "n_flagged_exchanges": 1}
        for name in sorted(set(rows["account_id"].to_pylist()))
    ]  # fmt: skip
    return pa.Table.from_pylist(found, schema=ACCOUNT_FINDINGS.schema)


def laid(slices: Iterable[Slice]) -> Laid:
    rows = members(slices)
    return lay_out(rows, findings(rows))


@settings(deadline=None)
@given(SLICES)
def test_every_account_is_shown_once_and_every_shared_token_links_its_holders(slices: set[Slice]) -> None:
    found = laid(slices).cut("accounts")
    nodes = found.nodes.to_pylist()
    assert [row["node"] for row in nodes] == list(range(len(nodes)))
    accounts = [row["label"] for row in nodes if row["kind"] == "account"]
    assert accounts == sorted({f"a-{account:02}" for account, _, _ in slices})
    holders: dict[tuple[str, int], set[int]] = {}
    for account, kind, token in slices:
        holders.setdefault((kind, token), set()).add(account)
    wanted = {(f"a-{a:02}", kind, str(token)) for a, kind, token in slices if len(holders[kind, token]) > 1}
    told = {
        (nodes[row["source"]]["label"], row["token_kind"], nodes[row["target"]]["label"])
        for row in found.edges.to_pylist()
    }
    assert told == wanted
    assert found.counts()["lone_tokens"] == sum(len(who) == 1 for who in holders.values())
    assert found.counts()["nodes_shown"] == found.counts()["nodes_total"] == len(nodes)


@settings(deadline=None)
@given(SLICES, st.integers(0, 100))
def test_the_order_of_slices_changes_nothing(slices: set[Slice], seed: int) -> None:
    rows = members(sorted(slices))
    mixed = rows.take(np.random.default_rng(seed).permutation(rows.num_rows))
    first, second = (lay_out(some, findings(rows)).cut("accounts") for some in (rows, mixed))
    assert first.nodes.equals(second.nodes)
    assert first.edges.equals(second.edges)


@settings(deadline=None)
@given(SLICES)
def test_groups_stand_for_all_accounts_and_a_filter_hides_links_never_accounts(slices: set[Slice]) -> None:
    whole = laid(slices)
    n = len({account for account, _, _ in slices})
    groups = whole.cut("groups")
    assert pc.sum(groups.nodes["n_accounts"]).as_py() == n == groups.counts()["accounts_shown"]
    only = whole.cut("accounts", kinds=["ja4"])
    assert only.counts()["accounts_shown"] == n
    assert set(only.edges["token_kind"].to_pylist()) <= {"ja4"}
    assert only.counts()["edges_total"] == whole.cut("accounts").edges.num_rows
    per_group = [whole.cut("accounts", group=number).counts() for number in range(groups.nodes.num_rows)]
    assert sum(counts["accounts_shown"] for counts in per_group) == n
    assert {counts["accounts_total"] for counts in per_group} == {n}


def test_accounts_that_share_nothing_are_apart() -> None:
    lone = {(4, "ja4", 3)}
    found = laid({(0, "ja4", 1), (1, "ja4", 1), (2, "ja4", 2), (3, "ja4", 2)} | lone).cut("groups")
    assert found.nodes["n_accounts"].to_pylist() == [2, 2, 1]
    assert found.edges.num_rows == 0


def test_accounts_that_carry_the_same_tokens_are_one_group() -> None:
    found = laid({(account, kind, 1) for account in range(30) for kind in ("system", "skeleton")}).cut("groups")
    assert found.nodes["n_accounts"].to_pylist() == [30]


def test_groups_that_share_a_token_are_linked_by_its_kind() -> None:
    inner = {(account, "address", account // 5) for account in range(10)}
    shared = {(account, "system", 9) for account in range(10)}
    found = laid(inner | shared).cut("groups")
    assert found.nodes["n_accounts"].to_pylist() == [5, 5]
    assert found.edges.to_pylist() == [{"source": 0, "target": 1, "token_kind": "system", "weight": 1}]


def test_the_last_group_holds_all_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_GROUPS", 3)
    found = laid({(account, "ja4", account // 2) for account in range(12)}).cut("groups")
    assert found.nodes["n_accounts"].to_pylist() == [2, 2, 8]
    assert found.counts()["accounts_shown"] == 12


def test_no_two_accounts_stand_on_one_place() -> None:
    slices = {(account, kind, account % 7) for account in range(300) for kind in ("ja4", "system")}
    assert len(np.unique(laid(slices).at.round(6), axis=0)) == 300

import numpy as np

from stillwatch.grouping import Settings
from stillwatch.grouping.linked import find_components
from tests.grouping.worlds import Bench, account_day, names, snapshot, use


def ring(n_accounts: int, *, kind: str = "skeleton", width: int = 3) -> list:
    """Each token is shared by `width` neighbours only: no token has five accounts, but all are linked."""
    crowd = names(n_accounts)
    return [
        use(crowd[(start + step) % n_accounts], kind, start) for start in range(n_accounts) for step in range(width)
    ]


def test_accounts_that_share_two_rare_tokens_are_linked(bench: Bench) -> None:
    grouped = bench.group(ring(12))
    (group,) = grouped.of("linked")
    assert group["n_accounts"] == 12
    assert (group["token_kind"], group["token"], group["stratum"], group["n_tests"]) == ("linked", None, None, 1)
    assert grouped.of("token") == []


def test_a_linked_slice_is_the_union_of_the_account_s_shared_slices(bench: Bench) -> None:
    grouped = bench.group(ring(12))
    linked = [row for row in grouped.slices if row["token_kind"] == "linked"]
    assert [(row["n"], row["input_tokens"]) for row in linked] == [(3, 30)] * 12
    bins = {
        (row["axis"], row["bin"], row["n"]) for row in grouped.slice_bins if row["slice_id"] == linked[0]["slice_id"]
    }
    one_each = {("cell", 0), ("hour", 9), ("moment", 9), ("day", 0), ("capability", 0), ("prompt", 0), ("material", 1)}
    assert bins == {(axis, place, 3) for axis, place in one_each}


def test_one_shared_token_links_nobody(bench: Bench) -> None:
    assert bench.group(ring(12, width=2)).of("linked") == []


def test_a_prompt_and_its_shingles_are_one_fact(bench: Bench) -> None:
    uses = [use(account, kind, 1) for account in names(6) for kind in ("skeleton", "shingle")]
    assert bench.group(uses).of("linked") == []


def test_an_address_and_its_prefix_are_one_fact(bench: Bench) -> None:
    uses = [use(account, kind, 1) for account in names(6) for kind in ("address", "prefix")]
    assert bench.group(uses).of("linked") == []


def test_a_prompt_and_an_address_are_two_facts(bench: Bench) -> None:
    uses = [use(account, kind, 1) for account in names(6) for kind in ("skeleton", "address")]
    (group,) = bench.group(uses).of("linked")
    assert group["n_accounts"] == 6


def test_tokens_of_many_accounts_link_nobody(bench: Bench) -> None:
    uses = [use(account, kind, 1) for account in names(51) for kind in ("skeleton", "address")]
    assert bench.group(uses).of("linked") == []


def test_an_exchange_is_counted_once_in_a_linked_slice(bench: Bench) -> None:
    uses = [use(account, kind, 1, hours=[1, 2]) for account in names(6) for kind in ("skeleton", "address", "system")]
    rows = [row for row in bench.group(uses).slices if row["token_kind"] == "linked"]
    assert {row["n"] for row in rows} == {2}


def test_shared_device_and_payment_link_whole_accounts(bench: Bench) -> None:
    crowd = names(6)
    accounts = [snapshot(account, device_id=3, payment_fingerprint=4) for account in crowd]
    grouped = bench.group([], days=[account_day(account, hours=[1, 2, 3]) for account in crowd], accounts=accounts)
    (group,) = grouped.of("linked")
    assert group["n_exchanges"] == 18


def test_the_budget_of_pairs_lowers_what_counts_as_rare(bench: Bench) -> None:
    uses = [use(account, kind, 1) for account in names(20) for kind in ("skeleton", "address")]
    assert bench.group(uses, settings=Settings(max_pairs=379)).of("linked") == []
    assert len(bench.group(uses, settings=Settings(max_pairs=380)).of("linked")) == 1


def test_oversized_components_are_cut_into_communities(bench: Bench) -> None:
    first, second = names(10, "x"), names(10, "y")
    uses = [
        use(account, kind, token)
        for token, part in ((1, first), (2, second))
        for account in part
        for kind in ("skeleton", "address", "system")
    ]
    uses += [use(account, kind, 3) for account in (first[0], second[0]) for kind in ("skeleton", "address")]
    grouped = bench.group(uses, settings=Settings(community_accounts=15))
    assert grouped.of("linked") == []
    assert sorted(map(sorted, map(grouped.members, grouped.of("community")))) == [first, second]


def test_communities_of_one_graph_are_the_same_every_time() -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(0, 6000, 40_000)
    ends = np.sort(np.column_stack([left, (left + rng.integers(1, 60, left.size)) % 6000]), axis=1)
    pairs = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    edges = np.column_stack([pairs, np.full(len(pairs), 2)])
    first, *others = (find_components(edges, Settings(community_accounts=15)) for _ in range(3))
    assert len(set(first["component"].to_pylist())) > 1
    assert all(other.equals(first) for other in others)


def test_components_are_numbered_by_their_smallest_account() -> None:
    edges = np.array([[1, 9, 2], [2, 3, 2], [9, 10, 2]])
    rows = find_components(edges, Settings(min_accounts=2)).to_pylist()
    assert [(row["account"], row["component"]) for row in rows] == [(1, 0), (2, 1), (3, 1), (9, 0), (10, 0)]


def test_no_edges_make_no_components() -> None:
    assert find_components(np.empty((0, 3), np.int64), Settings()).num_rows == 0

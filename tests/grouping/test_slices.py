from datetime import timedelta

import pytest

from tests.grouping.worlds import START, Bench, account_day, names, snapshot, use


def test_a_slice_adds_up_an_account_and_a_token_over_the_window(bench: Bench) -> None:
    uses = [
        use("a", "skeleton", 7, day=1, hours=[3, 5]),
        use("a", "skeleton", 7, day=4, hours=[6]),
        use("b", "skeleton", 7),
    ]
    first, second = bench.group(uses).slices
    assert (first["slice_id"], first["account_id"], first["n"], first["input_tokens"], first["output_tokens"]) == (
        0,
        "a",
        3,
        30,
        60,
    )
    assert first["first_seen_at"] == START + timedelta(days=1, hours=3)
    assert first["last_seen_at"] == START + timedelta(days=4, hours=6)
    assert (second["slice_id"], second["account_id"]) == (1, "b")


def test_a_token_of_one_account_makes_no_slice(bench: Bench) -> None:
    uses = [use("a", "skeleton", 1), use("a", "skeleton", 1, day=2), use("b", "skeleton", 2)]
    assert bench.group(uses).slices == []


def test_slice_ids_are_ranks_of_kind_token_and_account(bench: Bench) -> None:
    uses = [use(account, kind, token) for kind in ("system", "address") for token in (5, -5) for account in "cab"]
    rows = bench.group(uses, shuffle=3).slices
    keys = [(row["token_kind"], row["token"], row["account_id"]) for row in rows]
    assert [row["slice_id"] for row in rows] == list(range(12))
    assert keys == sorted(keys)


def test_days_after_the_window_are_ignored_and_days_before_it_only_date_the_onset(bench: Bench) -> None:
    uses = [use(account, "skeleton", 1, day=day) for account in "ab" for day in (-30, 3, 45)]
    accounts = [snapshot("a", age_days=100), snapshot("b")]
    first, second = bench.group(uses, accounts=accounts).slices
    assert first["n"] == second["n"] == 1
    assert first["first_seen_at"] == first["last_seen_at"] == START + timedelta(days=3, hours=9)
    assert first["age_days"] == pytest.approx(100 - 30 + 9 / 24)
    assert second["age_days"] is None


def test_an_account_created_after_its_onset_has_no_known_age(bench: Bench) -> None:
    rows = bench.group(
        [use("a", "skeleton", 1), use("b", "skeleton", 1)], accounts=[snapshot("a", age_days=-20)]
    ).slices
    assert rows[0]["age_days"] is None


def test_shingles_of_the_same_accounts_fold_to_the_smallest(bench: Bench) -> None:
    uses = [use(account, "shingle", token) for account in names(6) for token in (30, 20, 40)]
    uses += [use(account, "shingle", 10) for account in names(7)]
    rows = [row for row in bench.group(uses).slices if row["token_kind"] != "linked"]
    assert {(row["token_kind"], row["token"]) for row in rows} == {("shingle_bundle", 10), ("shingle_bundle", 20)}


def test_shingles_of_as_many_other_accounts_do_not_fold(bench: Bench) -> None:
    crowd = names(8)
    uses = [use(account, "shingle", 1) for account in crowd if account != crowd[3]]
    uses += [use(account, "shingle", 2) for account in crowd if account != crowd[4]]
    assert {row["token"] for row in bench.group(uses).slices} == {1, 2}


def test_shingles_of_fewer_than_five_accounts_are_dropped(bench: Bench) -> None:
    assert bench.group([use(account, "shingle", 1) for account in names(4)]).slices == []


def test_shared_payment_makes_slices_of_whole_accounts(bench: Bench) -> None:
    days = [account_day(account, day=day, hours=[1, 2], cell=33) for account in "abc" for day in (0, 1)]
    accounts = [snapshot(account, payment_fingerprint=9) for account in "ab"] + [snapshot("c", payment_fingerprint=8)]
    rows = bench.group([], days=days, accounts=accounts).slices
    assert [(row["token_kind"], row["token"], row["account_id"], row["n"]) for row in rows] == [
        ("payment", 9, "a", 4),
        ("payment", 9, "b", 4),
    ]


def test_only_the_latest_snapshot_of_an_account_counts(bench: Bench) -> None:
    accounts = [
        snapshot("a", device_id=1),
        snapshot("a", as_of=2, device_id=2),
        snapshot("b", device_id=1),
        snapshot("c", device_id=2),
    ]
    rows = bench.group([], days=[account_day(account) for account in "abc"], accounts=accounts).slices
    assert [(row["token"], row["account_id"]) for row in rows] == [(2, "a"), (2, "c")]


def test_at_the_level_of_organisations_account_tokens_are_those_of_the_organisation(bench: Bench) -> None:
    accounts = [
        snapshot("a", org_id="o1", device_id=1),
        snapshot("b", org_id="o1", device_id=1),
        snapshot("c", org_id="o2", device_id=1),
    ]
    rows = bench.group([], days=[account_day("o1"), account_day("o2")], accounts=accounts, by="org").slices
    assert [row["account_id"] for row in rows] == ["o1", "o2"]


def test_bins_count_everything_that_is_compared(bench: Bench) -> None:
    uses = [use(account, "skeleton", 1, day=2, hours=[4, 4, 6], cell=0x123, code=5) for account in names(5)]
    bins = [row for row in bench.group(uses).slice_bins if row["slice_id"] == 0]
    assert {(row["axis"], row["bin"], row["n"]) for row in bins} == {
        ("cell", 0x12, 3), ("hour", 4, 2), ("hour", 6, 1), ("moment", 52, 2), ("moment", 54, 1), ("day", 2, 3),
        ("capability", 5, 3), ("prompt", 0x123, 3), ("material", 0x124, 1),
    }  # fmt: skip


def test_bins_of_whole_account_slices_come_from_account_days(bench: Bench) -> None:
    days = [account_day(account, day=1, hours=[7], cell=16, code=2) for account in names(5)]
    accounts = [snapshot(account, payment_fingerprint=9) for account in names(5)]
    bins = [row for row in bench.group([], days=days, accounts=accounts).slice_bins if row["slice_id"] == 4]
    assert {(row["axis"], row["bin"], row["n"]) for row in bins} == {
        ("cell", 1, 1),
        ("hour", 7, 1),
        ("moment", 31, 1),
        ("day", 1, 1),
        ("capability", 2, 1),
        ("prompt", 16, 1),
        ("material", 17, 1),
    }


def test_slices_of_no_group_have_no_bins(bench: Bench) -> None:
    assert bench.group([use(account, "skeleton", 1) for account in names(4)]).slice_bins == []

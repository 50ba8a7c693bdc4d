import numpy as np
import pytest

from stillwatch.model.tables import GROUP_MEMBERS, GROUPS, SLICE_BINS, SLICES
from tests.grouping.worlds import Bench, account_day, names, snapshot, use


def world(rename: str = "a") -> dict[str, list]:
    """A little of everything: templates, a popular system prompt, shingles, addresses, payments, links."""
    rng = np.random.default_rng(5)
    crowd = names(160, rename)
    uses = {}
    for place, account in enumerate(crowd):
        hours = rng.integers(0, 24, int(rng.integers(1, 40))).tolist()
        for kind, token in (
            ("system", 1),
            ("skeleton", -(place // 20)),
            ("address", place // 4),
            ("tools", place % 90),
            ("prefix", place // 30),
        ):
            day = int(rng.integers(0, 45))
            uses[account, kind, token] = use(
                account, kind, token, day=day, hours=hours, cell=int(rng.integers(4096)), code=int(rng.integers(8))
            )
        for token in (place // 20, 100 + place // 20):
            uses[account, "shingle", token] = use(account, "shingle", token, hours=hours)
        for token in (place // 2, (place + 1) // 2, 1000 + place // 3):
            uses[account, "skeleton", 5000 + token] = use(account, "skeleton", 5000 + token)
    days = [account_day(account, hours=[place % 24]) for place, account in enumerate(crowd)]
    accounts = [
        snapshot(account, age_days=place, payment_fingerprint=place // 8) for place, account in enumerate(crowd)
    ]
    return {"uses": list(uses.values()), "days": days, "accounts": accounts}


def grouped(bench: Bench, rename: str = "a", **options):
    made = world(rename)
    return bench.group(made["uses"], days=made["days"], accounts=made["accounts"], **options)


def test_outputs_have_the_shape_of_their_tables(bench: Bench) -> None:
    for table in (SLICES, SLICE_BINS, GROUPS, GROUP_MEMBERS):
        rows = grouped(bench).arrow[table.name]
        assert rows.schema.names == table.schema.names
        assert rows.schema.types == table.schema.types
        required = [column.name for column in table.schema if not column.nullable]
        assert {name: rows[name].null_count for name in required} == dict.fromkeys(required, 0)


def test_every_proposal_occurs(bench: Bench) -> None:
    assert {group["proposal"] for group in grouped(bench).groups} >= {"token", "stratum", "linked"}


def test_row_order_changes_nothing(bench: Bench) -> None:
    assert grouped(bench).arrow == grouped(bench, shuffle=7).arrow


def test_renaming_accounts_changes_names_only(bench: Bench) -> None:
    plain, renamed = grouped(bench), grouped(bench, "zz")
    assert plain.groups == renamed.groups
    assert [row["account_id"].replace("zz", "a") for row in renamed.slices] == [
        row["account_id"] for row in plain.slices
    ]


def test_no_telemetry_makes_no_groups(bench: Bench) -> None:
    made = bench.group([], days=[])
    assert (made.slices, made.slice_bins, made.groups, made.group_members) == ([], [], [], [])


def test_groups_add_up_their_members(bench: Bench) -> None:
    made = grouped(bench)
    volumes = {row["slice_id"]: row["n"] for row in made.slices}
    for group in made.groups:
        slices = [row["slice_id"] for row in made.group_members if row["group_id"] == group["group_id"]]
        assert group["n_accounts"] == len(slices) == len(made.members(group)) >= 5
        assert group["n_exchanges"] == sum(volumes[slice_id] for slice_id in slices)


def test_bins_of_slices_in_groups_add_up_to_their_exchanges(bench: Bench) -> None:
    made = grouped(bench)
    volumes = {row["slice_id"]: row["n"] for row in made.slices}
    members = {row["slice_id"] for row in made.group_members}
    for axis in ("hour", "day", "moment", "cell", "capability"):
        sums = dict.fromkeys(members, 0)
        for row in made.slice_bins:
            if row["axis"] == axis:
                sums[row["slice_id"]] += row["n"]
        assert sums == {slice_id: volumes[slice_id] for slice_id in members}


@pytest.mark.spark
def test_spark_makes_the_same_rows(bench: Bench) -> None:
    spark = Bench("local[2]")
    try:
        assert grouped(spark).arrow == grouped(bench).arrow
    finally:
        spark.engine.close()

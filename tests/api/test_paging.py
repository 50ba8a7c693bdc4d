"""The order of a listing, and pages that follow it."""

from dataclasses import replace

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.api.kept import Kept
from stillwatch.api.paging import Listing, Wanted, order_of, page, places_of
from stillwatch.model.role import Role
from stillwatch.python_api import Stillwatch
from tests.api.served import Served
from tests.response.worlds import CONFIG

THINGS = Listing("things", ("name", "part"), ("tier",))
ROWS = st.lists(
    st.tuples(
        st.text("abc", min_size=1, max_size=2),
        st.integers(0, 5),
        st.sampled_from(["accuse", "none", None]),
        st.one_of(st.none(), st.integers(-2, 2)),
    ),
    unique_by=lambda row: row[:2],
    max_size=30,
)


def table(rows: list[tuple[object, ...]]) -> pa.Table:
    names = {"name": pa.string(), "part": pa.int64(), "tier": pa.string(), "n": pa.int64()}
    return pa.table(
        [pa.array(c, t) for c, t in zip(zip(*rows, strict=True), names.values(), strict=True)], names=[*names]
    )


@given(ROWS.filter(bool), st.booleans())
def test_rows_are_sorted_by_a_column_then_by_key_with_nulls_last(rows: list[tuple[object, ...]], falls: bool) -> None:
    found = [rows[place] for place in order_of(table(rows), THINGS, "-n" if falls else "n")]
    known = sorted((row for row in rows if row[3] is not None), key=lambda row: (-row[3] if falls else row[3], row[:2]))  # type: ignore[operator]
    assert found == known + sorted((row for row in rows if row[3] is None), key=lambda row: row[:2])


@given(ROWS.filter(bool), st.integers(1, 7))
def test_pages_of_an_order_hold_every_row_that_passes_once(rows: list[tuple[object, ...]], limit: int) -> None:
    things = table(rows)
    wanted = Wanted(limit, equal={"tier": "none"}, sort="-n")
    places = places_of(things, THINGS, wanted)
    assert places is not None
    pages = [page(things, THINGS, wanted, places)]
    while pages[-1].following is not None:
        pages.append(page(things, THINGS, replace(wanted, cursor=pages[-1].following), places))
    assert pa.concat_tables([one.rows for one in pages]).equals(things.take(places))
    assert [rows[at] for at in order_of(things, THINGS, "-n") if rows[at][2] == "none"] == [rows[at] for at in places]


def test_the_accounts_of_the_latest_run_are_put_in_order_before_anybody_asks(found: Served) -> None:
    with Stillwatch(found.workspace, CONFIG) as watch:
        kept = Kept(watch)
        kept.warm()
        watch.accounts = None  # type: ignore[assignment,method-assign]
        total = found[Role.ANALYST].get("/v1/accounts?limit=1").json()["total"]
        assert kept.accounts(kept.latest()).num_rows == total


def test_warming_a_workspace_without_a_run_is_no_fault(shared: Served) -> None:
    Kept(Stillwatch(shared.workspace, CONFIG)).warm()

"""The scoring stage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest

from stillwatch.model.stage import Run
from stillwatch.model.tables import (
    ACCOUNTS,
    CALIBRATIONS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    INDICATORS,
)
from stillwatch.model.window import Window
from stillwatch.scoring import READS, WRITES, Settings, calibration_row, calibrations, run, shipped
from tests.scoring.honest import SIGNALS, calibration, signals_table

START = datetime(2026, 4, 1, tzinfo=UTC)
RUN = Run(run_id="r", window=Window(START, START + timedelta(days=45)))


class MemoryEngine:
    """The part of an engine that scoring uses, over in-memory tables."""

    name = "memory"

    def from_arrow(self, table, rows):
        assert rows.schema.equals(table.schema)
        return ibis.memtable(rows)

    def to_arrow(self, expression):
        return expression.to_pyarrow()


def stored(one, *, days=0, kind="fitted"):
    return calibration_row(one, created_at=START + timedelta(days=days)) | {"kind": kind}


def stored_table(*rows):
    return pa.Table.from_pylist(list(rows), schema=CALIBRATIONS.schema)


def groups(sizes, *, popular=(), mixed=()):
    n = len(sizes)
    columns = {
        "group_id": [f"g{i}" for i in range(n)],
        "proposal": ["token"] * n,
        "token_kind": ["skeleton"] * n,
        "token": list(range(n)),
        "stratum": [None] * n,
        "is_whole_popular": [i in popular for i in range(n)],
        "is_mixed": [i in mixed for i in range(n)],
        "n_accounts": sizes,
        "n_exchanges": [size * 20 for size in sizes],
        "first_seen_at": [START] * n,
        "last_seen_at": [START + timedelta(days=1)] * n,
        "n_tests": [1] * n,
    }
    return pa.table(columns, schema=GROUPS.schema)


def group_signals(values):
    long = signals_table([f"g{i}" for i in range(len(values))], np.array(values, dtype=float))
    n = long.num_rows
    columns = {
        "group_id": long["group_id"],
        "signal": long["signal"],
        "value": long["conservative_value"],
        "conservative_value": long["conservative_value"],
        "n": [50] * n,
    }
    return pa.table(columns, schema=GROUP_SIGNALS.schema)


def members(group_id, orgs):
    """Members and account records of a group whose accounts belong to `orgs`."""
    ids = [f"{group_id}-{number}" for number in range(len(orgs))]
    rows = [{"group_id": group_id, "slice_id": number, "account_id": name} for number, name in enumerate(ids)]
    known = [
        {"account_id": name, "as_of": START, "ingest_batch_id": "b", "ingested_at": START, "org_id": org}
        for name, org in zip(ids, orgs, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=GROUP_MEMBERS.schema), pa.Table.from_pylist(known, schema=ACCOUNTS.schema)


def score(
    group_rows,
    signal_rows,
    calibration_rows,
    *,
    member_rows=None,
    account_rows=None,
    settings=None,
    indicator_rows=None,
    asked=RUN,
):
    tables = {
        "group_members": ibis.memtable(GROUP_MEMBERS.empty() if member_rows is None else member_rows),
        "accounts": ibis.memtable(ACCOUNTS.empty() if account_rows is None else account_rows),
        "groups": ibis.memtable(group_rows),
        "group_signals": ibis.memtable(signal_rows),
        "calibrations": ibis.memtable(calibration_rows),
        "indicators": ibis.memtable(INDICATORS.empty() if indicator_rows is None else indicator_rows),
    }
    out = run(tables, asked, engine=MemoryEngine(), settings=settings or Settings())
    assert set(out) == {table.name for table in WRITES}
    return out["group_scores"].to_pyarrow()


def test_it_declares_what_it_reads():
    assert READS == (GROUPS, GROUP_SIGNALS, GROUP_MEMBERS, ACCOUNTS, CALIBRATIONS, INDICATORS)


def test_a_group_far_beyond_honest_groups_is_accused_and_an_ordinary_one_is_not():
    found = score(groups([60, 60]), group_signals([[9.0] * 4, [2.0] * 4]), stored_table(stored(calibration())))
    assert found["tier"].to_pylist() == ["accuse", "none"]
    assert found.schema.equals(GROUP_SCORES.schema)
    planted = found.to_pylist()[0]
    assert planted["margin"] > 0
    assert planted["p_value"] == pytest.approx(1 / 6)
    assert planted["q_value"] < 0.05
    assert planted["signals"] == sorted(SIGNALS)
    assert len(planted["p_values"]) == len(planted["contributions"]) == 4
    assert planted["baseline"] + sum(planted["contributions"]) == pytest.approx(planted["score"])


def test_a_whole_popular_token_is_judged_like_any_other_group():
    found = score(groups([900, 60], popular={0}), group_signals([[9.0] * 4] * 2), stored_table(stored(calibration())))
    assert found["group_id"].to_pylist() == ["g0", "g1"]


def test_a_group_without_signals_is_no_finding():
    found = score(groups([60, 60]), group_signals([[9.0] * 4]), stored_table(stored(calibration())))
    last = found.to_pylist()[1]
    assert (last["tier"], last["score"], last["signals"], last["q_value"] > 0) == ("none", 0.0, [], True)


@pytest.mark.parametrize(
    ("orgs", "others", "tier"),
    [
        (["one"] * 6 + [None] * 4, 30, "review"),
        (["one"] * 5 + [None] * 5, 30, "accuse"),
        ([f"org{number}" for number in range(10)], 30, "accuse"),
        ([None] * 10, 30, "accuse"),
        (["everybody"] * 10, 0, "accuse"),
    ],
)
def test_a_group_of_one_organisation_is_reviewed_and_never_accused(orgs, others, tier):
    member_rows, account_rows = members("g0", orgs)
    account_rows = pa.concat_tables([account_rows, members("elsewhere", [None] * others)[1]])
    tables = groups([60]), group_signals([[9.0] * 4]), stored_table(stored(calibration()))
    assert score(*tables, member_rows=member_rows, account_rows=account_rows)["tier"].to_pylist() == [tier]


@pytest.mark.parametrize(("n_known", "tier"), [(0, "review"), (4, "review"), (5, "accuse"), (10, "accuse")])
def test_a_group_whose_accounts_nobody_knows_is_reviewed_and_never_accused(n_known, tier):
    member_rows, account_rows = members("g0", [None] * 10)
    tables = groups([60]), group_signals([[9.0] * 4]), stored_table(stored(calibration()))
    found = score(*tables, member_rows=member_rows, account_rows=account_rows.slice(0, n_known))
    assert found["tier"].to_pylist() == [tier]


def test_organisations_need_no_account_records():
    member_rows, _ = members("g0", [None] * 10)
    tables = groups([60]), group_signals([[9.0] * 4]), stored_table(stored(calibration()))
    found = score(*tables, member_rows=member_rows, asked=replace(RUN, by="org"))
    assert found["tier"].to_pylist() == ["accuse"]


def told(token, *, kind="skeleton", revoked=False, valid_from=START, valid_until=None):
    """An indicator of a peer that names a token here; the groups of these tests share their number."""
    row = {
        "indicator_id": f"indicator--{token}", "peer": "lab-b", "kind": kind, "value": "", "token_kind": kind,
        "token": token, "valid_from": valid_from, "valid_until": valid_until, "revoked": revoked, "modified": START,
        "record_id": "g",
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=INDICATORS.schema)


AFTER, BEFORE = RUN.window.end + timedelta(days=1), START - timedelta(days=1)


@pytest.mark.parametrize(
    ("indicator_rows", "tiers"),
    [
        (None, ["accuse", "none"]),
        (told(1), ["accuse", "review"]),
        (told(0), ["accuse", "none"]),
        (told(1, kind="address"), ["accuse", "none"]),
        (told(1, revoked=True), ["accuse", "none"]),
        (told(1, valid_from=AFTER), ["accuse", "none"]),
        (told(1, valid_from=BEFORE, valid_until=START), ["accuse", "none"]),
    ],
)
def test_a_group_that_a_peer_names_is_reviewed_while_the_indicator_holds(indicator_rows, tiers):
    tables = groups([60, 60]), group_signals([[9.0] * 4, [3.6] * 4]), stored_table(stored(calibration()))
    found = score(*tables, indicator_rows=indicator_rows)
    assert found["tier"].to_pylist() == tiers
    assert found["is_lifted"].to_pylist() == [False, tiers[1] == "review"]


def test_an_ordinary_group_is_left_alone_whatever_peers_say():
    tables = groups([60]), group_signals([[0.5] * 4]), stored_table(stored(calibration()))
    assert score(*tables, indicator_rows=told(0))["tier"].to_pylist() == ["none"]


def test_no_groups_give_no_scores():
    assert score(groups([]), group_signals(np.zeros((0, 4))), stored_table(stored(calibration()))).num_rows == 0


def test_a_stricter_alpha_never_raises_a_tier():
    rng = np.random.default_rng(4)
    values = rng.normal(3.5, 1.5, size=(90, 4))
    tables = groups([40] * 90), group_signals(values), stored_table(stored(calibration()))
    rank = {"none": 0, "review": 1, "accuse": 2}
    loose = score(*tables)["tier"].to_pylist()
    strict_run = Run(run_id="r", window=RUN.window, alpha=1e-5)
    none = {table.name: ibis.memtable(table.empty()) for table in (GROUP_MEMBERS, ACCOUNTS, INDICATORS)}
    out = run(
        dict(zip(("groups", "group_signals", "calibrations"), map(ibis.memtable, tables), strict=True)) | none,
        strict_run,
        engine=MemoryEngine(),
        settings=Settings(),
    )
    strict = out["group_scores"].to_pyarrow()["tier"].to_pylist()
    assert all(rank[a] <= rank[b] for a, b in zip(strict, loose, strict=True))
    assert strict != loose


def test_the_newest_fitted_calibration_before_the_cut_is_used():
    old, new = calibration(seed=1), calibration(seed=2)
    rows = stored_table(stored(new, days=3), stored(old, days=1), stored(old, days=9, kind="shipped"))
    chosen = [calibrations(rows, as_of)["calibration_id"].to_pylist() for as_of in (None, START + timedelta(days=2))]
    assert chosen == [[new.calibration_id], [old.calibration_id]]


def test_without_a_fitted_calibration_the_shipped_one_is_used():
    chosen = calibrations(stored_table(), START)
    assert chosen["kind"].to_pylist() == ["shipped"]
    assert chosen["calibration_id"].to_pylist() == [shipped().calibration_id]


def test_the_shipped_calibration_is_small_and_says_that_it_is_shipped():
    assert shipped().kind == "shipped"
    assert len(shipped().to_json()) < 2_500_000

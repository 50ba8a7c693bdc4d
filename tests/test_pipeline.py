"""The order of the stages: what a detection run may see, and what it makes anew."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch import pipeline
from stillwatch.engines import open_engine
from stillwatch.errors import UsageError
from stillwatch.model.tables import TOKEN_USES
from stillwatch.python_api import Stillwatch
from tests.small_world import (
    CONFIG,
    END,
    LATER,
    NETWORK_COLUMNS,
    START,
    TEXT_COLUMNS,
    before,
    copied,
    cut,
    found_world,
    new_workspace,
    opened,
    small_world,
)

__all__ = ["found_world", "small_world"]

LATE_DAY = (START + timedelta(days=2)).date()
FIRST_DAYS = START + timedelta(days=5)


def is_late(rows: pa.Table) -> pa.ChunkedArray:
    """Some records of one early day."""
    moment = rows["start_time"]
    return pc.and_(
        pc.equal(pc.cast(moment, pa.date32()), pa.scalar(LATE_DAY)),
        pc.match_substring_regex(rows["source_record_id"], "[0-7]$"),
    )


def on_time(rows: pa.Table) -> pa.Table:
    return before(FIRST_DAYS)(rows.filter(pc.invert(is_late(rows))))


def refresh(watch: Stillwatch) -> int:
    engine = open_engine("duckdb", CONFIG.engines)
    try:
        return pipeline.refresh_features(watch.workspace.lake, engine=engine, config=CONFIG)
    finally:
        engine.close()


def assert_same_answer(left: pipeline.Outcome, right: pipeline.Outcome) -> None:
    assert left.run == right.run
    assert left.summary == right.summary
    assert left.campaigns.equals(right.campaigns)
    assert left.members.equals(right.members)
    assert left.findings.equals(right.findings)


def test_the_same_question_twice_gives_the_same_bytes(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    with opened(found_world, small_world) as watch:
        first = (watch.campaigns().table, watch.accounts().table)
        run_id = watch.runs().table["run_id"].to_pylist()
    with copied(found_world, tmp_path / "again", small_world) as again:
        outcome = again.detect()
        assert outcome.campaigns.num_rows > 0
        assert again.runs().table["run_id"].to_pylist() == run_id
        assert again.campaigns().table.equals(first[0])
        assert again.accounts().table.equals(first[1])


def test_nothing_from_as_of_on_is_seen(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    moment = START + timedelta(days=5, hours=13)
    snapshot = pq.read_table(small_world / "accounts.parquet")
    owner = snapshot.column_names.index("verified_owner")
    owned = snapshot.set_column(owner, "verified_owner", pa.array(["One Fleet"] * snapshot.num_rows))
    pq.write_table(owned, tmp_path / "later.parquet")
    with copied(found_world, tmp_path / "all", small_world) as everything:
        everything.ingest_accounts([tmp_path / "later.parquet"])
        everything.judge("c-unheard", "honest", author="ana", note="")
        seen = everything.detect(as_of=moment)
        seen_accounts = everything.accounts(seen.run.run_id).table
    with new_workspace(tmp_path / "part", small_world) as part:
        part.ingest([cut(small_world, tmp_path / "before", before(moment))])
        known = part.detect(as_of=moment)
        known_accounts = part.accounts(known.run.run_id).table
    assert known.findings.num_rows > 0
    assert_same_answer(seen, known)
    assert seen_accounts.equals(known_accounts)


def test_nothing_ingested_at_known_at_or_later_is_seen(small_world: Path, tmp_path: Path) -> None:
    with new_workspace(tmp_path / "part", small_world) as part:
        part.ingest([cut(small_world, tmp_path / "on-time", on_time)])
        known = part.detect(as_of=END, known_at=LATER)
    with copied(tmp_path / "part", tmp_path / "all", small_world, clock=LATER) as everything:
        added = everything.ingest([small_world / "exchanges"])
        assert sum(batch.rows_out for batch in added) > 0
        assert_same_answer(everything.detect(as_of=END, known_at=LATER), known)


def test_late_records_make_only_their_day_and_its_neighbours_stale(small_world: Path, tmp_path: Path) -> None:
    with new_workspace(tmp_path / "lake", small_world) as watch:
        watch.ingest([cut(small_world, tmp_path / "on-time", on_time)])
        assert refresh(watch) == 5
        assert refresh(watch) == 0
        untouched = watch.workspace.lake.snapshot().files(TOKEN_USES, [str(START.date()), "2026-04-26"])
        watch.ingest([cut(small_world, tmp_path / "late", lambda rows: rows.filter(is_late(rows)))])
        assert refresh(watch) == 3
        assert watch.workspace.lake.snapshot().files(TOKEN_USES, [str(START.date()), "2026-04-26"]) == untouched


def test_late_records_end_in_the_same_answer_as_records_in_time(
    found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with new_workspace(tmp_path / "lake", small_world) as watch:
        watch.ingest([cut(small_world, tmp_path / "rest", lambda rows: rows.filter(pc.invert(is_late(rows))))])
        refresh(watch)
        watch.ingest([small_world / "exchanges"])
        watch.detect()
        late = (watch.campaigns().table, watch.accounts().table)
    with opened(found_world, small_world) as watch:
        assert late[0].equals(watch.campaigns().table)
        assert late[1].equals(watch.accounts().table)


def test_detection_by_end_user_finds_end_users(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    with copied(found_world, tmp_path / "users", small_world, by="end_user") as watch:
        outcome = watch.detect()
        accounts = watch.accounts(outcome.run.run_id).table
    assert 0 < outcome.summary["n_accounts"] == accounts.num_rows
    assert all(name.startswith("user of ") for name in accounts["account_id"].to_pylist())


@pytest.mark.parametrize(
    ("columns", "says"),
    [(TEXT_COLUMNS, "no prompts"), (NETWORK_COLUMNS, "no client addresses")],
    ids=["prompts", "network"],
)
def test_a_run_says_what_it_could_not_look_at(
    columns: tuple[str, ...], says: str, small_world: Path, tmp_path: Path
) -> None:
    with new_workspace(tmp_path / "lake", small_world, has_accounts=False) as watch:
        watch.ingest([cut(small_world, tmp_path / "less", lambda rows: rows.drop_columns(list(columns)))])
        notes = watch.detect().notes
    assert [note.partition(":")[0] for note in notes] == [
        *(["no prompts"] if says == "no prompts" else []),
        *(["no client addresses or fingerprints"] if says != "no prompts" else []),
        "no accounts table",
    ]


def test_a_run_that_had_everything_has_no_notes(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch:
        assert watch.runs().table["notes"].to_pylist() == [[]]


def test_a_window_without_traffic_is_an_error_that_names_the_stored_days(
    found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with (
        copied(found_world, tmp_path / "copy", small_world) as watch,
        pytest.raises(UsageError, match="2026-04-22 to 2026-04-28"),
    ):
        watch.detect(as_of=START - timedelta(days=30))


def test_an_empty_lake_is_an_error_that_names_the_next_step(small_world: Path, tmp_path: Path) -> None:
    with new_workspace(tmp_path / "lake", small_world) as watch, pytest.raises(UsageError, match="stillwatch ingest"):
        watch.detect()

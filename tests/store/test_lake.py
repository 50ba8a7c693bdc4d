import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import LakeCorrupt, LakeError, LakeLocked, SchemaMismatch
from stillwatch.model.tables import ACCOUNT_EVENTS, ACCOUNTS, CAMPAIGNS, GROUPS
from stillwatch.store import manifest as manifests
from stillwatch.store.lake import Lake
from stillwatch.store.manifest import Manifest, PartitionEntry, Segment
from stillwatch.store.settings import Retention, Settings
from tests.store.conftest import NOON, Clock, events

D1, D2, D3 = date(2026, 4, 22), date(2026, 4, 23), date(2026, 4, 24)


def ids(lake: Lake, day: date | None = None) -> list[str]:
    files = lake.snapshot().files(ACCOUNT_EVENTS, None if day is None else [str(day)])
    return [name for file in files for name in pq.ParquetFile(file).read()["event_id"].to_pylist()]


def put(lake: Lake, days: list[date], first: int = 0) -> int:
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events(days, first=first))
        return writer.commit()


def test_appended_rows_are_split_by_day_and_keep_their_order(lake: Lake) -> None:
    put(lake, [D2, D1, D2, D3, D1])
    assert lake.snapshot().partitions(ACCOUNT_EVENTS) == [str(D1), str(D2), str(D3)]
    assert ids(lake, D1) == ["e1", "e4"]
    assert ids(lake, D2) == ["e0", "e2"]


def test_rows_come_back_in_the_schema_of_the_floor_plan_with_their_values(lake: Lake) -> None:
    rows = events([D1, D1, D2])
    put(lake, [D1, D1, D2])
    back = pa.concat_tables(pq.ParquetFile(file).read() for file in lake.snapshot().files(ACCOUNT_EVENTS))
    assert back.schema.equals(ACCOUNT_EVENTS.schema, check_metadata=True)
    assert back.to_pylist() == rows.to_pylist()


def test_a_record_batch_is_appended_as_a_table_is(lake: Lake) -> None:
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1, D2]).to_batches()[0])
        writer.commit()
    assert ids(lake) == ["e0", "e1"]


def test_nothing_is_seen_before_commit_and_nothing_stays_without_it(lake: Lake, tmp_path: Path) -> None:
    with lake.write() as writer:
        writer.replace(ACCOUNT_EVENTS, str(D1), events([D1]))
        assert lake.snapshot().n_rows(ACCOUNT_EVENTS) == 0
    assert lake.snapshot().version == 0
    assert list(tmp_path.rglob("*.parquet")) == []


def test_an_error_inside_the_block_discards_what_was_not_committed(lake: Lake) -> None:
    def write_and_fail() -> None:
        with lake.write() as writer:
            writer.append(ACCOUNT_EVENTS, events([D1]))
            writer.commit()
            writer.replace(ACCOUNT_EVENTS, str(D2), events([D2], first=1))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert ids(lake) == ["e0"]


def test_a_commit_without_changes_keeps_the_version(lake: Lake) -> None:
    put(lake, [D1])
    with lake.write() as writer:
        assert writer.commit() == 1
    assert lake.snapshot().version == 1


def test_a_writer_can_commit_more_than_once(lake: Lake) -> None:
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1]))
        assert writer.commit() == 1
        writer.append(ACCOUNT_EVENTS, events([D1], first=1))
        assert writer.commit() == 2
    assert ids(lake) == ["e0", "e1"]


def test_replace_takes_a_stream_of_batches_and_forgets_what_was_appended_before(lake: Lake) -> None:
    put(lake, [D1, D2])
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1], first=7))
        batches = (events([D1], first=i).to_batches()[0] for i in (20, 21))
        writer.replace(ACCOUNT_EVENTS, str(D1), batches)
        writer.append(ACCOUNT_EVENTS, events([D1], first=30))
        writer.commit()
    assert ids(lake, D1) == ["e20", "e21", "e30"]
    assert ids(lake, D2) == ["e1"]


def test_a_replacement_that_fails_half_way_leaves_the_partition_as_it_was(lake: Lake) -> None:
    put(lake, [D1])

    def broken() -> Iterator[pa.RecordBatch]:
        yield events([D1], first=5).to_batches()[0]
        raise RuntimeError("source failed")

    with lake.write() as writer:
        with pytest.raises(RuntimeError, match="source failed"):
            writer.replace(ACCOUNT_EVENTS, str(D1), broken())
        writer.append(ACCOUNT_EVENTS, events([D2], first=1))
        writer.commit()
    assert ids(lake) == ["e0", "e1"]


def test_replace_refuses_rows_of_another_partition(lake: Lake) -> None:
    with lake.write() as writer, pytest.raises(SchemaMismatch, match="2026-04-23"):
        writer.replace(ACCOUNT_EVENTS, str(D1), events([D1, D2]))


def test_dropping_removes_the_rows_and_counts_as_a_change(lake: Lake) -> None:
    put(lake, [D1, D2])
    with lake.write() as writer:
        writer.drop(ACCOUNT_EVENTS, str(D1))
        writer.drop(ACCOUNT_EVENTS, str(D3))
        writer.commit()
    snapshot = lake.snapshot()
    assert snapshot.partitions(ACCOUNT_EVENTS) == [str(D2)]
    generations = [snapshot.generation(ACCOUNT_EVENTS, str(day)) for day in (D1, D2, D3)]
    assert generations == [2, 1, 0]


def test_a_partition_replaced_by_no_rows_has_a_generation(lake: Lake) -> None:
    with lake.write() as writer:
        writer.replace(ACCOUNT_EVENTS, str(D1), ACCOUNT_EVENTS.empty())
        writer.commit()
    snapshot = lake.snapshot()
    assert snapshot.generation(ACCOUNT_EVENTS, str(D1)) == 1
    assert snapshot.partitions(ACCOUNT_EVENTS) == []


def test_late_rows_raise_the_generation_of_their_day_only(lake: Lake) -> None:
    put(lake, [D1, D2])
    put(lake, [D1], first=9)
    snapshot = lake.snapshot()
    assert snapshot.generation(ACCOUNT_EVENTS, str(D1)) == 2
    assert snapshot.generation(ACCOUNT_EVENTS, str(D2)) == 1


def test_columns_may_come_in_any_order(lake: Lake) -> None:
    rows = events([D1])
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, rows.select(rows.column_names[::-1]))
        writer.commit()
    assert ids(lake) == ["e0"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.drop_columns(["day"]), "missing \\['day'\\]"),
        (lambda t: t.append_column("extra", t["day"]), "unknown \\['extra'\\]"),
        (lambda t: t.append_column("day", t["day"]), "8 columns"),
        (lambda t: t.set_column(0, "day", t["day"].cast(pa.timestamp("us"))), "day must be date32"),
        (lambda t: t.set_column(1, "event_id", pa.array([None, "x"], pa.string())), "event_id has 1 nulls"),
    ],
)
def test_rows_of_another_shape_are_refused_whole(lake: Lake, spoil: Any, said: str) -> None:
    with lake.write() as writer:
        with pytest.raises(SchemaMismatch, match=said):
            writer.append(ACCOUNT_EVENTS, spoil(events([D1, D2])))
        assert writer.commit() == 0


def test_a_table_that_lives_elsewhere_is_refused(lake: Lake) -> None:
    with lake.write() as writer, pytest.raises(SchemaMismatch, match="lives in run"):
        writer.append(GROUPS, GROUPS.empty())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../etc", "a" * 201, ".hidden", "run\n"])
def test_a_partition_name_that_is_not_safe_as_a_folder_is_refused(lake: Lake, name: str) -> None:
    with lake.write() as writer, pytest.raises(SchemaMismatch, match="cannot name a partition"):
        writer.replace(CAMPAIGNS, name, CAMPAIGNS.empty())


def test_a_table_without_partitions_takes_only_the_empty_name(lake: Lake) -> None:
    with lake.write() as writer:
        writer.replace(ACCOUNTS, "", ACCOUNTS.empty())
        with pytest.raises(SchemaMismatch, match="not partitioned"):
            writer.replace(ACCOUNTS, "2026-04-22", ACCOUNTS.empty())


def test_a_second_writer_is_locked_out_until_the_first_leaves(lake: Lake) -> None:
    with lake.write():
        with pytest.raises(LakeLocked, match=f"process {os.getpid()}"), lake.write():
            pass
        assert lake.snapshot().version == 0
    with lake.write() as writer:
        assert writer.commit() == 0


def test_a_writer_that_was_left_cannot_be_used(lake: Lake) -> None:
    with lake.write() as writer:
        pass
    with pytest.raises(LakeError, match="closed"):
        writer.append(ACCOUNT_EVENTS, events([D1]))


def test_an_old_snapshot_reads_its_files_during_the_grace_period_and_not_after(lake: Lake, clock: Clock) -> None:
    put(lake, [D1])
    old = lake.snapshot()
    clock.advance(10)
    with lake.write() as writer:
        writer.replace(ACCOUNT_EVENTS, str(D1), events([D1], first=5))
        writer.commit()
    clock.advance(899)
    with lake.write():
        assert pq.ParquetFile(old.files(ACCOUNT_EVENTS)[0]).metadata.num_rows == 1
    clock.advance(2)
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D2], first=6))
        writer.commit()
    assert not Path(old.files(ACCOUNT_EVENTS)[0]).exists()
    assert ids(lake) == ["e5", "e6"]
    assert manifests.decode(Path(lake.root, "manifest.json").read_bytes(), root="").retired == ()


def test_an_orphan_is_removed_when_older_than_the_writer_and_kept_when_younger(lake: Lake, clock: Clock) -> None:
    put(lake, [D1])
    folder = Path(lake.snapshot().files(ACCOUNT_EVENTS)[0]).parent
    older, younger = folder / "older.parquet", folder / "younger.parquet"
    for orphan, age in ((older, -60), (younger, 60)):
        orphan.write_bytes(b"half a segment")
        stamp = NOON.timestamp() + age
        os.utime(orphan, (stamp, stamp))
    with lake.write():
        assert not older.exists()
        assert younger.exists()
    assert ids(lake) == ["e0"]


def test_segments_state_their_rows_bytes_digest_and_span_of_ingestion(lake: Lake) -> None:
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1]))
        writer.append(ACCOUNT_EVENTS, events([D1], ingested_at=NOON + timedelta(hours=1)))
        writer.commit()
    (segment,) = lake.snapshot().segments(ACCOUNT_EVENTS, str(D1))
    body = Path(segment.path).read_bytes()
    assert (segment.n_rows, segment.n_bytes) == (2, len(body))
    assert (segment.min_ingested_at, segment.max_ingested_at) == (NOON, NOON + timedelta(hours=1))
    assert lake.snapshot().n_bytes(ACCOUNT_EVENTS) == len(body)


def test_a_segment_has_at_most_the_rows_that_settings_allow(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", settings=Settings(segment_rows=10))
    put(lake, [D1] * 25)
    assert [segment.n_rows for segment in lake.snapshot().segments(ACCOUNT_EVENTS, str(D1))] == [9, 9, 7]
    assert ids(lake) == [f"e{i}" for i in range(25)]


def test_many_partitions_together_stay_within_the_buffer(tmp_path: Path) -> None:
    days = [D1 + timedelta(days=i) for i in range(40)] * 50
    bound = events(days).nbytes // 4
    lake = Lake.create(tmp_path / "lake", settings=Settings(buffer_bytes=bound))
    with lake.write() as writer:
        for first in range(0, 2000, 100):
            writer.append(ACCOUNT_EVENTS, events(days[first : first + 100], first=first))
        assert len(list(tmp_path.rglob("*.parquet"))) > 10
        writer.commit()
    assert sorted(ids(lake)) == sorted(f"e{i}" for i in range(2000))


def test_compacting_merges_small_segments_and_keeps_rows_order_and_generation(lake: Lake) -> None:
    for first in range(6):
        put(lake, [D1], first=first)
    with lake.write() as writer:
        assert writer.n_segments(ACCOUNT_EVENTS, str(D1)) == 6
        assert writer.compact(ACCOUNT_EVENTS, str(D1)) == 5
        assert writer.commit() == 7
    snapshot = lake.snapshot()
    assert len(snapshot.files(ACCOUNT_EVENTS)) == 1
    assert ids(lake) == [f"e{i}" for i in range(6)]
    assert snapshot.generation(ACCOUNT_EVENTS, str(D1)) == 6


def test_compacting_one_segment_or_none_changes_nothing(lake: Lake) -> None:
    put(lake, [D1])
    with lake.write() as writer:
        assert writer.compact(ACCOUNT_EVENTS, str(D1)) == 0
        assert writer.compact(ACCOUNT_EVENTS, str(D2)) == 0
        assert writer.commit() == 1


def test_compacting_a_changed_file_is_refused(lake: Lake) -> None:
    put(lake, [D1])
    put(lake, [D1], first=1)
    Path(lake.snapshot().files(ACCOUNT_EVENTS)[0]).write_bytes(b"something else")
    with lake.write() as writer, pytest.raises(LakeCorrupt, match="not the file that was committed"):
        writer.compact(ACCOUNT_EVENTS, str(D1))


def test_retention_names_the_first_kept_day_of_tables_cut_by_day() -> None:
    retention = Retention(days={"account_events": 2, "accounts": 2})
    assert retention.first_kept_day(ACCOUNT_EVENTS, D3) == D1
    assert retention.first_kept_day(ACCOUNTS, D3) is None
    assert retention.first_kept_day(CAMPAIGNS, D3) is None


def test_opening_where_no_lake_is_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="stillwatch init"):
        Lake.open(tmp_path / "nowhere")


def test_a_second_lake_is_not_made_over_the_first(lake: Lake) -> None:
    with pytest.raises(LakeError, match="already"):
        Lake.create(lake.root)


def test_a_damaged_manifest_is_reported_as_such(lake: Lake) -> None:
    Path(lake.root, "manifest.json").write_bytes(b'{"schema_version": 1')
    with pytest.raises(LakeCorrupt, match="backup"):
        lake.snapshot()


def test_a_manifest_of_a_newer_release_is_refused(lake: Lake) -> None:
    newer = Manifest(schema_version=manifests.SCHEMA_VERSION + 1, version=1, committed_at=NOON)
    Path(lake.root, "manifest.json").write_bytes(manifests.encode(newer))
    with pytest.raises(LakeError, match="schema_version 3"):
        lake.snapshot()


def test_a_manifest_of_5000_segments_reads_in_under_50_ms(lake: Lake) -> None:
    segment = Segment("x" * 70, 1_000_000, 50_000_000, "0" * 32, NOON, NOON)
    entries = {str(D1 + timedelta(days=i)): PartitionEntry(i, (segment,) * 25) for i in range(50)}
    manifest = Manifest(1, 9, NOON, {f"table_{i}": entries for i in range(4)})
    Path(lake.root, "manifest.json").write_bytes(manifests.encode(manifest))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        lake.snapshot()
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.05


def test_equal_manifests_have_equal_bytes_and_come_back_equal() -> None:
    manifest = Manifest(1, 3, NOON, {"t": {"p": PartitionEntry(2, (Segment("a", 1, 2, "d", None, NOON),))}})
    body = manifests.encode(manifest)
    assert manifests.decode(body, root="") == manifest
    assert manifests.encode(msgspec.structs.replace(manifest)) == body

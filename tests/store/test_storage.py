from datetime import date
from pathlib import Path

import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from stillwatch.errors import LakeError, LakeLocked
from stillwatch.model.tables import ACCOUNT_EVENTS
from stillwatch.store.lake import Lake
from stillwatch.store.storage import ObjectStorage
from tests.store.conftest import events

D1, D2, D3 = date(2026, 4, 22), date(2026, 4, 23), date(2026, 4, 24)


def put(lake: Lake, days: list[date], first: int = 0) -> int:
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events(days, first=first))
        return writer.commit()


def test_a_file_url_and_a_path_name_the_same_lake(lake: Lake) -> None:
    put(lake, [D1])
    assert Lake.open(f"file://{lake.root}").snapshot().files(ACCOUNT_EVENTS) == lake.snapshot().files(ACCOUNT_EVENTS)


def test_a_url_that_no_filesystem_serves_is_refused() -> None:
    with pytest.raises(LakeError, match="supported URL"):
        Lake.open("gopher://somewhere/lake")


def object_store(folder: Path) -> ObjectStorage:
    folder.mkdir(exist_ok=True)
    return ObjectStorage(pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()), "lake", root="mock://bucket/lake")


def test_an_object_store_holds_a_lake_as_a_folder_does(tmp_path: Path) -> None:
    storage = object_store(tmp_path / "bucket")
    lake = Lake.create(storage)
    put(lake, [D1, D2])
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1], first=5))
        writer.compact(ACCOUNT_EVENTS, str(D1))
        writer.drop(ACCOUNT_EVENTS, str(D2))
        writer.commit()
    (file,) = Lake.open(storage).snapshot().files(ACCOUNT_EVENTS)
    assert file.startswith("mock://bucket/lake/account_events/day=2026-04-22/")
    with storage.filesystem.open_input_file(file.removeprefix("mock://bucket/")) as stream:
        assert pq.ParquetFile(stream).read()["event_id"].to_pylist() == ["e0", "e5"]


def test_options_of_an_object_stores_url_stay_behind_the_path_of_each_object(tmp_path: Path) -> None:
    storage = object_store(tmp_path / "bucket")
    storage.root = "mock://bucket/lake?endpoint=local&scheme=http"
    assert storage.locate("a/b.parquet") == "mock://bucket/lake/a/b.parquet?endpoint=local&scheme=http"


def test_on_an_object_store_the_loser_of_two_writers_is_told_and_commits_nothing(tmp_path: Path) -> None:
    lake = Lake.create(object_store(tmp_path / "bucket"))
    other_machine = object_store(tmp_path / "bucket")
    other_machine.root = "mock://bucket/lake?machine=2"
    with lake.write() as writer:
        writer.append(ACCOUNT_EVENTS, events([D1]))
        put(Lake.open(other_machine), [D1], first=9)
        with pytest.raises(LakeLocked, match="another writer committed"):
            writer.commit()
    assert lake.snapshot().n_rows(ACCOUNT_EVENTS) == 1
    assert len([path for path, _ in other_machine.segments()]) == 1


def test_on_an_object_store_one_machine_has_one_writer(tmp_path: Path) -> None:
    lake = Lake.create(object_store(tmp_path / "bucket"))
    with lake.write(), pytest.raises(LakeLocked, match="mock://bucket/lake"), lake.write():
        pass

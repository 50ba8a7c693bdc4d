"""The folder through which rows enter and leave Spark."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.engines.exchange import Exchange
from stillwatch.engines.spark import check_shared
from stillwatch.errors import ConfigError

ROWS = pa.table({"k": list(range(10))})


@pytest.fixture(params=["path", "url"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    return Exchange(str(tmp_path / "a b") if request.param == "path" else f"file://{tmp_path}/a")


def test_rows_come_back_by_file_and_in_batches(exchange: Exchange) -> None:
    exchange.write("t", ROWS)
    batches = list(exchange.batches("t", 4))
    assert [batch.num_rows for batch in batches] == [4, 4, 2]
    assert pa.Table.from_batches(batches).equals(ROWS)


def test_marks_beside_the_rows_are_no_rows(exchange: Exchange) -> None:
    exchange.write("t", ROWS)
    folder = Path(exchange.url("t").removeprefix("file://"))
    (folder / "_SUCCESS").touch()
    (folder / ".rows.parquet.crc").touch()
    assert sum(batch.num_rows for batch in exchange.batches("t", 100)) == 10


def test_a_table_that_nobody_wrote_has_no_rows_and_may_be_dropped(exchange: Exchange) -> None:
    assert list(exchange.batches("t", 4)) == []
    exchange.drop("t")


def test_closing_removes_the_private_folder_and_nothing_beside_it(exchange: Exchange) -> None:
    exchange.write("t", ROWS)
    private = Path(exchange.url("t").removeprefix("file://")).parent
    (private.parent / "beside").touch()
    exchange.close()
    exchange.close()
    assert [file.name for file in private.parent.iterdir()] == ["beside"]


def test_two_exchanges_of_one_root_do_not_meet(tmp_path: Path) -> None:
    first, second = Exchange(str(tmp_path)), Exchange(str(tmp_path))
    first.write("t", ROWS)
    assert list(second.batches("t", 4)) == []


@pytest.mark.parametrize("root", ["gopher://somewhere", "/proc/nowhere"])
def test_a_root_that_cannot_be_written_is_a_config_error(root: str) -> None:
    with pytest.raises(ConfigError, match="give a folder, or the URL of an object store"):
        Exchange(root)


class Elsewhere:
    """A Spark session whose executors write to disks of their own: all is well, and nothing arrives."""

    def __init__(self, folder: Path, n_arriving: int) -> None:
        self.folder, self.n_arriving = folder, n_arriving
        self.sparkContext = self.read = self.write = self
        self.defaultParallelism = 4

    def schema(self, text: str) -> "Elsewhere":
        return self

    def repartition(self, n: int) -> "Elsewhere":
        return self

    def parquet(self, url: str) -> "Elsewhere":
        if url.endswith("returned"):
            target = Path(url.removeprefix("file://"))
            target.mkdir()
            pq.write_table(pa.table({"task": list(range(self.n_arriving))}), target / "part-0.parquet")
        return self


@pytest.mark.parametrize("n_arriving", [0, 3])
def test_executors_that_write_to_their_own_disks_are_found_out(tmp_path: Path, n_arriving: int) -> None:
    with pytest.raises(ConfigError, match=f"a folder of this machine alone .{n_arriving} of 4 rows came back.*network"):
        check_shared(Elsewhere(tmp_path, n_arriving), Exchange(str(tmp_path)), None)


def test_a_shared_folder_passes_and_is_left_empty(tmp_path: Path) -> None:
    check_shared(Elsewhere(tmp_path, 4), Exchange(str(tmp_path)), str(tmp_path))
    (private,) = tmp_path.iterdir()
    assert list(private.iterdir()) == []

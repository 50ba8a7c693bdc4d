"""The folder through which rows enter and leave an engine that works in other processes."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from stillwatch.errors import ConfigError


class Exchange:
    """A private folder below `root`, which this process and every executor must reach under the same name.

    `root` is a path, the URL of an object store that pyarrow knows (`s3://`, `gs://`, `abfs://`), or None: a folder of
    this machine, which executors on other machines do not see. Files are Parquet, one folder a table.

    Raises:
        ConfigError: `root` cannot be reached or written.
    """

    def __init__(self, root: str | None) -> None:
        try:
            if root is None or "://" not in root:
                self._filesystem, self._base = pafs.LocalFileSystem(), _local_folder(root)
                self._url = f"file://{self._base}"
            else:
                self._filesystem, self._base, self._url = _url_folder(root)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ConfigError(
                f"engines.temp_directory {root!r} cannot be written ({error}): give a folder, or the URL of an object "
                "store, that this machine and every executor can reach"
            ) from error
        self.name = self._base.rpartition("/")[2]

    def url(self, table: str) -> str:
        """Where executors find or leave the files of `table`."""
        return f"{self._url}/{table}"

    def write(self, table: str, rows: pa.Table) -> None:
        """Put `rows` as the one file of `table`."""
        folder = f"{self._base}/{table}"
        self._filesystem.create_dir(folder)
        pq.write_table(rows, f"{folder}/rows.parquet", filesystem=self._filesystem)

    def batches(self, table: str, n_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows that executors left in `table`, in the order of their files, at most `n_rows` at a time."""
        selector = pafs.FileSelector(f"{self._base}/{table}", allow_not_found=True)
        files = sorted(file.path for file in self._filesystem.get_file_info(selector) if _is_part(file.path))
        if not files:
            return
        schema = pq.read_schema(files[0], filesystem=self._filesystem)
        for batch in pads.dataset(files, schema=schema, filesystem=self._filesystem).to_batches(batch_size=n_rows):
            if batch.num_rows:
                yield batch

    def drop(self, table: str) -> None:
        """Remove the files of `table`; not an error when there are none."""
        if self._filesystem.get_file_info(f"{self._base}/{table}").type != pafs.FileType.NotFound:
            self._filesystem.delete_dir(f"{self._base}/{table}")

    def close(self) -> None:
        """Remove the whole private folder."""
        if isinstance(self._filesystem, pafs.LocalFileSystem):
            shutil.rmtree(self._base, ignore_errors=True)
        elif self._filesystem.get_file_info(self._base).type != pafs.FileType.NotFound:
            self._filesystem.delete_dir(self._base)


def _is_part(path: str) -> bool:
    return path.endswith(".parquet")


def _local_folder(root: str | None) -> str:
    if root is not None:
        Path(root).mkdir(parents=True, exist_ok=True)
    return str(Path(tempfile.mkdtemp(prefix="stillwatch-spark-", dir=root)).absolute())


def _url_folder(root: str) -> tuple[pafs.FileSystem, str, str]:
    """The filesystem of a URL, the private folder's path in it, and the URL that Spark opens: without our options."""
    filesystem, base = pafs.FileSystem.from_uri(root)
    name = f"stillwatch-spark-{secrets.token_hex(8)}"
    folder = f"{base.rstrip('/')}/{name}"
    filesystem.create_dir(folder)
    return filesystem, folder, f"{root.partition('?')[0].rstrip('/')}/{name}"

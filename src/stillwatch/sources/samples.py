"""The first records of a file of any format that a mapping reads."""

import bz2
import gzip
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import pyarrow as pa

from stillwatch.sources.base import Reject
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.documents import read_documents
from stillwatch.sources.frames import python_rows, read_parquet
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.records import Record
from stillwatch.sources.streams import SteadyStream

N_RECORDS: Final = 2_000
"""Enough that a field of one record in a hundred is seen twenty times."""


def sample_records(path: Path, kind: Literal["jsonl", "csv", "parquet"]) -> list[Record]:
    """The first records that can be read, at most N_RECORDS."""
    with closing(_opened(path)) as stream:
        if kind == "jsonl":
            found = (
                decode_object(item) for item in read_documents(SteadyStream(stream)) if not isinstance(item, Reject)
            )
            return list(islice((record for record in found if not isinstance(record, Reject)), N_RECORDS))
        frames = (
            read_csv(SteadyStream(stream), uri=path.name, check_header=lambda _: None)
            if kind == "csv"
            else read_parquet(stream, uri=path.name)
        )
        batches = (frame.batch.slice(0, N_RECORDS) for frame in frames if not isinstance(frame, Reject))
        return list(islice(chain.from_iterable(python_rows(batch, path.name) for batch in batches), N_RECORDS))


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    if path.suffix == ".zst":
        return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")

"""Ingest of a file much larger than a chunk stays in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

MEBIBYTE = 1 << 20

INGEST = """
import resource, sys, tempfile
from datetime import UTC, datetime
from pathlib import Path
from stillwatch.ingest import Settings, ingest_paths
from stillwatch.sources.canonical import SOURCE
from stillwatch.store.keys import Keys
from stillwatch.store.lake import Lake
from stillwatch.store.settings import Settings as StoreSettings

def ingest(path, lake):
    ingest_paths([Path(path)], SOURCE, lake=lake, keys=Keys("k1", b"p" * 32, b"v" * 32, b"r" * 32), vault=None,
                 settings=Settings(), clock=lambda: datetime(2026, 6, 10, tzinfo=UTC))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

settings = StoreSettings(buffer_bytes=64 << 20, segment_bytes=32 << 20)
lake = Lake.create(Path(tempfile.mkdtemp()) / "lake", settings=settings)
ingest(sys.argv[1], lake)
before = peak()
ingest(sys.argv[2], lake)
print(before, peak(), lake.snapshot().version)
"""


def write(path: Path, n_bytes: int, prompt: str) -> Path:
    with path.open("w") as handle:
        number = 0
        while handle.tell() < n_bytes:
            handle.writelines(
                f'{{"source_record_id":"{path.stem}-{at}","account_id":"a{at % 900}",'
                f'"start_time":"2026-06-0{1 + at % 9}T10:00:00Z","request_model":"m","prompt":"{at} {prompt}"}}\n'
                for at in range(number, number + 1000)
            )
            number += 1000
    return path


@pytest.mark.slow
def test_a_file_of_400_mb_needs_no_more_memory_than_the_buffers_of_the_lake_and_some_chunks(tmp_path):
    prompt = "tell me how the still distils what it watches " * 8
    small = write(tmp_path / "small.jsonl", 2 * MEBIBYTE, prompt)
    large = write(tmp_path / "large.jsonl", 400 * MEBIBYTE, prompt)
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(small), str(large)], capture_output=True, text=True, check=True
    )
    before, after, version = map(int, done.stdout.split())
    assert version == 2
    assert after - before < 256, f"peak grew from {before} to {after} MiB"

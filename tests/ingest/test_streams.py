import bz2
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from stillwatch.errors import UsageError
from stillwatch.ingest.streams import find_files, inspect_file, open_file

LINES = b"".join(b'{"number": %d, "salt": "%s"}\n' % (n, hex(n * 7919**3 % 2**61).encode()) for n in range(40_000))


def zstd(body: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(body)
    return sink.getvalue().to_pybytes()


PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd)]


def read_until_damage(path: Path) -> tuple[bytes, bool]:
    opened = open_file(inspect_file(path), max_unpack_ratio=200)
    read, is_damaged = b"", False
    try:
        while chunk := opened.stream.read1(1 << 16):
            read += chunk
    except EOFError:
        is_damaged = True
    assert is_damaged == opened.is_truncated
    opened.close()
    return read, is_damaged


@pytest.mark.parametrize(("suffix", "pack"), PACKED)
def test_compressed_files_are_read_whole(tmp_path, suffix, pack):
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(LINES) + pack(b"more\n"))
    assert read_until_damage(path) == (LINES + b"more\n", False)


@pytest.mark.parametrize(("suffix", "pack"), PACKED)
def test_of_a_file_cut_short_everything_before_the_cut_is_read(tmp_path, suffix, pack):
    path = tmp_path / f"a.jsonl{suffix}"
    packed = pack(LINES)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    read, is_damaged = read_until_damage(path)
    assert is_damaged
    assert LINES.startswith(read)
    assert len(read) > len(LINES) // 3


def test_a_gzip_file_with_a_wrong_checksum_keeps_all_its_lines(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(LINES)
    path.write_bytes(packed[:-8] + b"\0\0\0\0" + packed[-4:])
    assert read_until_damage(path) == (LINES, True)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_file_that_only_says_it_is_compressed_is_damaged_from_the_start(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(LINES)
    assert read_until_damage(path) == (b"", True)


def test_a_compressed_stream_can_go_back(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))
    stream = open_file(inspect_file(path), max_unpack_ratio=200).stream
    assert stream.read(10) == LINES[:10]
    stream.seek(0)
    assert stream.read() == LINES
    with pytest.raises(io.UnsupportedOperation):
        stream.seek(0, io.SEEK_END)


def test_a_file_that_grows_is_read_as_far_as_its_digest(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    file = inspect_file(path)
    path.write_bytes(LINES + b"later\n")
    opened = open_file(file, max_unpack_ratio=200)
    assert opened.stream.read() == LINES
    assert opened.counted.n_read == len(LINES)
    opened.close()


def test_a_folder_is_searched_in_sorted_order_and_no_file_twice(tmp_path):
    for name in ("b/2.jsonl", "a.jsonl", "b/1.JSONL", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_files([tmp_path / "b" / "2.jsonl", tmp_path], (".jsonl",))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["b/2.jsonl", "a.jsonl", "b/1.JSONL"]


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        find_files([tmp_path / "missing"], (".jsonl",))
    with pytest.raises(UsageError, match="holds no file"):
        find_files([tmp_path], (".jsonl",))

"""The spool: bytes come out as they went in, bounds hold, and a disk that refuses is told to the sender."""

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.errors import EnvironmentFault, SpoolFull
from stillwatch.store.spool import Settings, Spool, sealed_files

ROOMY = Settings(free_bytes=0, seal_seconds=60)


def content(folder: Path, suffix: str = ".pb") -> bytes:
    return b"".join(path.read_bytes() for path in sealed_files(folder) if path.name.endswith(suffix))


def test_bytes_are_on_disk_when_the_future_is_done(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", ROOMY) as spool:
        spool.append(b"first", ".pb").result(10)
        (file,) = (tmp_path / "spool").glob("*.open")
        assert file.read_bytes() == b"first"
        assert sealed_files(tmp_path / "spool") == []
    assert content(tmp_path / "spool") == b"first"


def test_records_of_many_threads_are_all_there_and_whole(tmp_path: Path) -> None:
    settings = Settings(free_bytes=0, file_bytes=500)
    with Spool(tmp_path / "spool", settings) as spool:

        def send(number: int) -> None:
            for step in range(50):
                spool.append(b"%03d:%03d;" % (number, step), ".pb").result(10)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = content(tmp_path / "spool").split(b";")[:-1]
    assert sorted(found) == sorted(b"%03d:%03d" % (number, step) for number in range(8) for step in range(50))
    assert len(sealed_files(tmp_path / "spool")) > 1


@given(bodies=st.lists(st.tuples(st.binary(min_size=1, max_size=50), st.sampled_from([".pb", ".jsonl"])), max_size=30))
def test_each_form_keeps_its_own_order(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[bytes, str]]
) -> None:
    folder = tmp_path_factory.mktemp("spool") / "s"
    with Spool(folder, Settings(free_bytes=0, file_bytes=64)) as spool:
        for body, suffix in bodies:
            spool.append(body, suffix).result(10)
    for suffix in (".pb", ".jsonl"):
        assert content(folder, suffix) == b"".join(body for body, form in bodies if form == suffix)


def test_a_full_spool_takes_nothing_until_it_is_drained(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with Spool(folder, Settings(free_bytes=0, max_bytes=10, seal_seconds=0.01)) as spool:
        spool.append(b"12345678", ".pb").result(10)
        with pytest.raises(SpoolFull):
            spool.append(b"123", ".pb")
        while not sealed_files(folder):
            pass
        for file in sealed_files(folder):
            file.unlink()
        while spool.n_bytes:
            pass
        spool.append(b"123", ".pb").result(10)


def test_a_disk_without_room_takes_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", Settings(free_bytes=1 << 62)) as spool, pytest.raises(SpoolFull):
        spool.append(b"x", ".pb")


def test_a_write_that_fails_is_told_and_what_follows_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "spool"
    written = os.write
    fails = False

    def failing(descriptor: int, body: memoryview) -> int:
        if not fails:
            return written(descriptor, body)
        written(descriptor, bytes(body)[: len(body) // 2])
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "write", failing)
    with Spool(folder, ROOMY) as spool:
        spool.append(b"before;", ".pb").result(10)
        fails = True
        with pytest.raises(SpoolFull, match="no space"):
            spool.append(b"lost in the middle;", ".pb").result(10)
        fails = False
        spool.append(b"after;", ".pb").result(10)
    assert content(folder) == b"before;after;"


def test_what_a_killed_process_left_open_is_sealed_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "00000000000000000001-000001.pb.open").write_bytes(b"left")
    (folder / "00000000000000000002-000001.pb.open").write_bytes(b"")
    with Spool(folder, ROOMY) as spool:
        assert spool.n_bytes == 4
        assert content(folder) == b"left"


def test_a_closed_spool_takes_nothing_and_gives_its_folder_free(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with Spool(folder, ROOMY) as first, pytest.raises(EnvironmentFault, match="another server"):
        Spool(folder, ROOMY)
    with pytest.raises(SpoolFull):
        first.append(b"x", ".pb")
    Spool(folder, ROOMY).close()

"""Backups of a workspace: taken while it is written to, checked byte by byte before they are restored.

The order makes a backup consistent without stopping anybody:

(1) the spool, whose files vanish once their rows are committed: what is gone when we look is in the manifest of (2);
(2) the lake's manifest, which names immutable segments;
(3) the state database as one transaction left it. Identities are sealed before the rows that need them are committed,
    so a state at least as new as the manifest knows every identity behind the rows;
(4) the manifest again. Where it is as in (2), no commit fell in between and lake and state are of one moment; else all
    of it is done again, a few times. Then the state may know batches and runs that the lake of the backup lacks, never
    the other way round: the ledger says that they were there, and reading their files again brings them back;
(5) the segments, each against the digest in the manifest; one that was merged away meanwhile sends us back to (1);
(6) the files beside, and last the list of everything with sizes and digests: without it nothing is a backup.

Keys are no part of it unless they are asked for.
"""

import hashlib
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Set
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from stillwatch.errors import ConfigError, EnvironmentFault, LakeCorrupt, UsageError
from stillwatch.store import manifest as manifests
from stillwatch.store import segments
from stillwatch.store.keys import key_file
from stillwatch.store.manifest import Manifest
from stillwatch.store.spool import LOCK
from stillwatch.store.state import State
from stillwatch.store.storage import LocalStorage
from stillwatch.store.transfer import copy_rows
from stillwatch.store.workspace import MARK, Workspace
from stillwatch.store.writer import MANIFEST

LIST: Final = "backup.json"
STATE: Final = "state.sqlite"
KEYS: Final = "keys.json"
VERSION: Final = 1
TRIES: Final = 5
"""Times that a backup looks for a moment without a commit; ingest commits once a file, some seconds apart."""
_SKIPPED: Final = (MARK, STATE, f"{STATE}-wal", f"{STATE}-shm", "lake", "spool")


class Member(msgspec.Struct, frozen=True):
    """One file of a backup: path inside, size, hexadecimal BLAKE2b-128."""

    path: str
    n_bytes: int
    digest: str


class Contents(msgspec.Struct, frozen=True):
    """What a backup says of itself. `is_of_one_moment`: no commit fell between the lake's part and the state's."""

    version: int
    release: str
    workspace_id: str
    taken_at: datetime
    lake_version: int
    lake_schema: int
    state_schema: int
    key_id: str
    has_keys: bool
    is_of_one_moment: bool
    members: tuple[Member, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(member.n_bytes for member in self.members)


def back_up(workspace: Workspace, target: Path, *, release: str, at: datetime, with_keys: bool = False) -> Contents:
    """Write a backup of `workspace` into the new folder, or the new tar file, `target`.

    Anybody may ingest, detect and serve meanwhile. A target that ends in `.tar` becomes one file.

    Raises:
        UsageError: there is something at `target`, or it lies inside of the workspace.
        LakeCorrupt: a segment is not the one that was committed.
        EnvironmentFault: the target cannot be written.
    """
    _check_target(workspace, target)
    draft = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=0o700, parents=True)
        contents = _gather(workspace, draft, release=release, at=at, with_keys=with_keys)
        if target.suffix == ".tar":
            _pack(draft, target)
        else:
            draft.rename(target)
    except OSError as error:
        raise EnvironmentFault(f"backup {target} cannot be written ({error.strerror}); choose another place") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return contents


def _check_target(workspace: Workspace, target: Path) -> None:
    if target.exists():
        raise UsageError(f"there is something at {target}; a backup is never written over another, name a new place")
    if target.absolute().is_relative_to(workspace.path):
        raise UsageError(f"{target} lies inside of the workspace; keep backups apart from it")


def _gather(workspace: Workspace, draft: Path, *, release: str, at: datetime, with_keys: bool) -> Contents:
    for number in range(TRIES):
        _copy_spool(workspace.path / "spool", draft / "spool")  # (1)
        body, manifest = _manifest(workspace)  # (2)
        _copy_state(workspace, draft / STATE)  # (3)
        is_of_one_moment = _manifest(workspace)[0] == body  # (4)
        is_last = number == TRIES - 1
        if (is_of_one_moment or is_last) and _copy_segments(workspace, manifest, draft / "lake", must=is_last):  # (5)
            break
    _write(draft / "lake" / MANIFEST, body)
    _copy_beside(workspace.path, draft)  # (6)
    if with_keys:
        _write(draft / KEYS, key_file(workspace.workspace_id, workspace.environ).read_bytes())
    contents = Contents(
        version=VERSION,
        release=release,
        workspace_id=workspace.workspace_id,
        taken_at=at,
        lake_version=manifest.version,
        lake_schema=manifest.schema_version,
        state_schema=workspace.state.schema_version,
        key_id=manifest.key_id,
        has_keys=with_keys,
        is_of_one_moment=is_of_one_moment,
        members=tuple(_members(draft)),
    )
    _write(draft / LIST, msgspec.json.format(msgspec.json.encode(contents)))
    return contents


def _manifest(workspace: Workspace) -> tuple[bytes, Manifest]:
    """The lake's manifest without what is retired: those segments are no rows of the lake."""
    root = str(workspace.lake_folder)
    body = LocalStorage(workspace.lake_folder).read(MANIFEST)
    if body is None:
        raise LakeCorrupt(f"lake {root} has no manifest; restore it from a backup")
    manifest = msgspec.structs.replace(manifests.decode(body, root=root), retired=())
    return manifests.encode(manifest), manifest


def _copy_spool(source: Path, target: Path) -> None:
    """Every spooled file as it is now; the end of one that is being written may be torn, and was not acknowledged."""
    shutil.rmtree(target, ignore_errors=True)
    names = {path.name for path in source.iterdir()} - {LOCK} if source.is_dir() else set()
    for name in sorted(names):
        try:
            _write(target / name, (source / name).read_bytes())
        except FileNotFoundError:  # drained or sealed meanwhile: look again at what is there now
            _copy_spool(source, target)
            return


def _copy_state(workspace: Workspace, target: Path) -> None:
    target.unlink(missing_ok=True)
    state = workspace.state
    if state.file is None:
        with State.create(f"sqlite:///{target}", workspace_id=workspace.workspace_id) as copy:
            copy_rows(state, copy)
        return
    with closing(sqlite3.connect(state.file)) as source, closing(sqlite3.connect(target)) as copied:
        source.backup(copied)
        copied.execute("PRAGMA journal_mode=DELETE").close()


def _copy_segments(workspace: Workspace, manifest: Manifest, target: Path, *, must: bool) -> bool:
    """Whether every segment was there; those that an earlier try copied are kept, for a segment never changes."""
    storage = LocalStorage(workspace.lake_folder)
    digests = {
        segment.path: segment.digest
        for table in manifest.tables.values()
        for entry in table.values()
        for segment in entry.segments
    }
    for path, digest in sorted(digests.items()):
        if (target / path).exists():
            continue
        body = storage.read(path)
        if body is None and not must:
            return False
        if body is None or segments.digest(body) != digest:
            raise LakeCorrupt(f"segment {path} of lake {storage.root} is not the one that was committed")
        _write(target / path, body)
    _drop_others(target, digests.keys())
    return True


def _drop_others(folder: Path, named: Set[str]) -> None:
    for path in folder.rglob("*.parquet"):
        if path.relative_to(folder).as_posix() not in named:
            path.unlink()


def _copy_beside(source: Path, target: Path) -> None:
    """Lists, snapshots and what else stands in the workspace, and its mark."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if inside.parts[0] not in _SKIPPED and path.is_file() and not path.name.endswith((".lock", ".tmp")):
            _write(target / inside, path.read_bytes())
    _write(target / MARK, (source / MARK).read_bytes())


def _members(folder: Path) -> Iterator[Member]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield Member(path.relative_to(folder).as_posix(), path.stat().st_size, file_digest(path))


def file_digest(path: Path) -> str:
    """The hexadecimal BLAKE2b-128 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(body)
    path.chmod(0o600)


def _pack(folder: Path, target: Path) -> None:
    draft = target.with_name(f".{target.name}.part")
    with tarfile.open(draft, "w") as archive:
        archive.add(folder / LIST, arcname=LIST)
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LIST):
            archive.add(path, arcname=path.relative_to(folder).as_posix())
    draft.chmod(0o600)
    draft.rename(target)


def read_contents(folder: Path) -> Contents:
    """What the unpacked backup in `folder` says of itself.

    Raises:
        ConfigError: it is no backup, or a later release made it.
    """
    try:
        contents = msgspec.json.decode((folder / LIST).read_bytes(), type=Contents)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder} is no backup: {LIST} is missing or damaged; use another one") from error
    if contents.version != VERSION:
        raise ConfigError(f"{folder} is a backup of version {contents.version}, this release reads {VERSION}")
    return contents

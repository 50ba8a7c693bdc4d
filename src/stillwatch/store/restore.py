"""Restoring a backup: into nothing, and only what is byte by byte as it was backed up."""

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stillwatch.errors import ConfigError, EnvironmentFault, UsageError
from stillwatch.store.backup import KEYS, LIST, STATE, Contents, file_digest, read_contents
from stillwatch.store.keys import Keys, key_file
from stillwatch.store.state import State
from stillwatch.store.storage import sync_tree
from stillwatch.store.transfer import copy_rows


def restore(backup: Path, path: Path, *, state_url: str = "", environ: Mapping[str, str] = os.environ) -> Contents:
    """Make the workspace of a backup in the new folder `path`; returns what the backup says of itself.

    All is checked and written beside `path` first; the folder appears whole or not at all. The state goes into
    `state_url` where one is named, else into the folder. Keys of the backup go where keys belong.

    Raises:
        UsageError: there is something at `path`, at the state's URL or in place of the keys.
        ConfigError: the backup is damaged, or the keys that are here are not those of its rows.
    """
    target = path.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"there is something at {target}; a backup is restored into nothing, name a new folder")
    draft = target.with_name(f".{target.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _unpack(backup, draft)
        contents = read_contents(draft)
        _check(draft, contents)
        _place_keys(draft, contents, environ)
        if state_url:
            _fill(state_url, draft / STATE, contents.workspace_id)
        (draft / LIST).unlink()
        sync_tree(draft)
        if target.exists():
            target.rmdir()
        draft.rename(target)
    except OSError as error:
        raise EnvironmentFault(f"{target} cannot be restored ({error.strerror}); choose another folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return contents


def verify(backup: Path) -> Contents:
    """What a backup says of itself, once every file of it is found as it was backed up.

    Raises:
        ConfigError: a file is missing, was changed or was put in.
    """
    with _opened(backup) as folder:
        contents = read_contents(folder)
        _check(folder, contents)
    return contents


@contextmanager
def _opened(backup: Path) -> Iterator[Path]:
    if backup.is_dir():
        yield backup
        return
    draft = backup.with_name(f".{backup.name}.verifying")
    try:
        _unpack(backup, draft)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unpack(backup: Path, draft: Path) -> None:
    if backup.is_dir():
        shutil.copytree(backup, draft)
    elif backup.is_file():
        draft.mkdir(mode=0o700, parents=True)
        try:
            with tarfile.open(backup) as archive:
                archive.extractall(draft, filter="data")
        except tarfile.TarError as error:
            raise ConfigError(f"{backup} is no backup ({type(error).__name__}); use another one") from error
    else:
        raise UsageError(f"there is no backup at {backup}; check the path")
    draft.chmod(0o700)


def _check(folder: Path, contents: Contents) -> None:
    said = {member.path: member for member in contents.members}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found.pop(LIST)
    odd = sorted(said.keys() ^ found.keys())
    odd += [
        name
        for name, member in said.items()
        if name in found and (found[name].stat().st_size, file_digest(found[name])) != (member.n_bytes, member.digest)
    ]
    if odd:
        raise ConfigError(
            f"the backup is not as it was taken: {len(odd):,} files differ, {odd[0]} first; use another backup"
        )


def _place_keys(draft: Path, contents: Contents, environ: Mapping[str, str]) -> None:
    place = key_file(contents.workspace_id, environ)
    if contents.has_keys and not place.exists():
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(draft / KEYS, place)
    (draft / KEYS).unlink(missing_ok=True)
    if place.exists() and Keys.load(place).pseudonym_key_id != contents.key_id:
        raise ConfigError(
            f"key file {place} holds key {Keys.load(place).pseudonym_key_id}, the backup's rows are under "
            f"{contents.key_id}; restore the key file of the day of the backup first"
        )


def _fill(url: str, file: Path, workspace_id: str) -> None:
    with State.create(url, workspace_id=workspace_id) as target, State.open(f"sqlite:///{file}") as source:
        if target.holds_rows():
            raise UsageError(f"state database {target.name} holds rows; a backup is restored into an empty one")
        copy_rows(source, target)
    file.unlink()

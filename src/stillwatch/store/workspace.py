"""A workspace: one tenant's folder with its lake, state database and vault; its keys are elsewhere."""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stillwatch.errors import ConfigError
from stillwatch.store.keys import Keys, key_file
from stillwatch.store.lake import Lake
from stillwatch.store.settings import Settings
from stillwatch.store.storage import LocalStorage

if TYPE_CHECKING:
    from stillwatch.store.checkpoint import Checkpoints
    from stillwatch.store.journal import Journal
    from stillwatch.store.ledger import Ledger
    from stillwatch.store.state import State
    from stillwatch.store.vault import Vault

MARK = "workspace.toml"


@dataclass(frozen=True)
class Workspace:
    """An existing workspace. Its parts open on first use, so that a verb pays only for those that it needs.

    `state_url` is the state database when it is not `state.sqlite` in the folder.
    """

    path: Path
    workspace_id: str
    settings: Settings
    state_url: str = field(default="", repr=False)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @classmethod
    def init(
        cls,
        path: Path,
        *,
        settings: Settings | None = None,
        state_url: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """A new workspace in the folder `path`, with new keys outside of it.

        Raises:
            ConfigError: there is a workspace already, or the keys cannot be stored.
        """
        folder = path.absolute()
        if any((folder / name).exists() for name in (MARK, "lake", "state.sqlite")):
            raise ConfigError(f"there is a workspace, or a part of one, at {folder}; use it, or choose another folder")
        workspace = cls(
            folder, secrets.token_hex(8), settings or Settings(), state_url, os.environ if environ is None else environ
        )
        workspace._make()
        return workspace

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        settings: Settings | None = None,
        state_url: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """The workspace in the folder `path`.

        Raises:
            ConfigError: there is none, or its mark is damaged.
        """
        folder = path.absolute()
        try:
            mark = tomllib.loads((folder / MARK).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"there is no workspace at {folder}; run `stillwatch --workspace {path} init`") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{folder / MARK} cannot be read ({error}); restore it from a backup") from error
        workspace_id = mark.get("id")
        if not isinstance(workspace_id, str):
            raise ConfigError(f"{folder / MARK} has no id; restore it from a backup")
        return cls(folder, workspace_id, settings or Settings(), state_url, os.environ if environ is None else environ)

    @cached_property
    def lake(self) -> Lake:
        """The workspace's lake."""
        return Lake.open(self.lake_folder, settings=self.settings)

    @cached_property
    def keys(self) -> Keys:
        """The workspace's secrets.

        Raises:
            ConfigError: they cannot be read, or a rotation of them was cut off.
        """
        keys = Keys.load(self.key_file)
        if keys.next is not None:
            raise ConfigError(
                f"the rotation of keys from {keys.pseudonym_key_id} to {keys.next.key_id} was cut off; "
                "run `stillwatch keys rotate` again to finish it"
            )
        return keys

    @property
    def key_file(self) -> Path:
        """Where the keys are."""
        return key_file(self.workspace_id, self.environ)

    @cached_property
    def state(self) -> "State":
        """The workspace's state database."""
        from stillwatch.store.state import State

        return State.open(self._state_url)

    @cached_property
    def ledger(self) -> "Ledger":
        """The workspace's log of what was taken in, found, decided, opened and disclosed."""
        from stillwatch.store.ledger import Ledger

        return Ledger(self.state)

    @cached_property
    def journal(self) -> "Journal":
        """What writes about batches, runs, calibrations and judgements into the ledger."""
        from stillwatch.store.journal import Journal

        return Journal(self.state, self.ledger)

    @cached_property
    def checkpoints(self) -> "Checkpoints":
        """The ledger's signed checkpoints."""
        from stillwatch.store.checkpoint import Checkpoints

        return Checkpoints(self.state, self.keys)

    @cached_property
    def vault(self) -> "Vault":
        """The workspace's sealed identities."""
        from stillwatch.store.vault import Vault

        return Vault(self.state, self.keys, self.ledger)

    def reopen(self) -> None:
        """Open keys, state database and what stands in it anew: they have changed."""
        self.close()
        for name in ("keys", "state", "ledger", "journal", "checkpoints", "vault"):
            self.__dict__.pop(name, None)

    def close(self) -> None:
        """Close the state database if it was opened."""
        if "state" in self.__dict__:
            self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self) -> None:
        """Write all parts; the mark comes last, so that a folder with a mark is complete."""
        from stillwatch.store.state import State

        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"workspace {self.path} cannot be made ({error.strerror}); choose another folder"
            ) from error
        keys_at = self.key_file
        # NOTE: keys that exist were made by whoever runs this deployment and named them by STILLWATCH_KEYS.
        keys = Keys.load(keys_at) if keys_at.exists() else Keys.create(keys_at)
        Lake.create(self.lake_folder, settings=self.settings, key_id=keys.pseudonym_key_id)
        State.create(self._state_url, workspace_id=self.workspace_id).close()
        LocalStorage(self.path).publish(MARK, f'id = "{self.workspace_id}"\n'.encode())

    @property
    def lake_folder(self) -> Path:
        """Where the lake is."""
        return self.path / "lake"

    @property
    def _state_url(self) -> str:
        return self.state_url or f"sqlite:///{self.path / 'state.sqlite'}"

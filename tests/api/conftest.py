"""Servers that tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings
from tests.response.worlds import workspace as found_workspace


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    """A new workspace with nothing in it."""
    return Workspace.init(tmp_path / "workspace", environ={"STILLWATCH_KEYS": str(tmp_path / "keys.json")})


@pytest.fixture
def served(empty: Workspace) -> Iterator[Served]:
    """A server of its own over an empty workspace."""
    with serving(empty, settings()) as running:
        yield running


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that a module shares, over a workspace with one campaign; nothing writes to it."""
    made = found_workspace(tmp_path_factory.mktemp("served") / "found")
    with serving(made, settings(drain=False)) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over an empty workspace that a module shares; nothing is drained."""
    folder = tmp_path_factory.mktemp("shared")
    made = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    with serving(made, settings(drain=False)) as running:
        yield running

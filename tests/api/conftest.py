"""Servers that tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillwatch.store.workspace import Workspace
from tests.api.served import Served, serving, settings
from tests.databases import KINDS, database
from tests.response.worlds import workspace as found_workspace


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A new workspace with nothing in it, on each kind of state database."""
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    with (
        database(request.param, tmp_path) as url,
        Workspace.init(tmp_path / "workspace", state_url=url, environ=environ) as made,
    ):
        yield made


@pytest.fixture
def served(empty: Workspace) -> Iterator[Served]:
    """A server of its own over an empty workspace."""
    with serving(empty, settings(state_url=empty.state_url)) as running:
        yield running


@pytest.fixture(scope="module", params=KINDS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that a module shares, over a workspace with one campaign; nothing writes to it."""
    folder = tmp_path_factory.mktemp("served")
    with (
        database(request.param, folder) as url,
        found_workspace(folder / "found", state_url=url) as made,
        serving(made, settings(drain=False)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over an empty workspace that a module shares; nothing is drained."""
    folder = tmp_path_factory.mktemp("shared")
    made = Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    with serving(made, settings(drain=False)) as running:
        yield running

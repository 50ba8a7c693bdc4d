from collections.abc import Iterator
from pathlib import Path

import pytest

from stillwatch.store.workspace import Workspace
from tests.sharing.worlds import found_world


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace that found one campaign, for tests that leave it as it is but for its records."""
    with found_world(tmp_path_factory.mktemp("kept") / "workspace") as workspace:
        yield workspace


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace that found one campaign."""
    with found_world(tmp_path / "workspace") as workspace:
        yield workspace

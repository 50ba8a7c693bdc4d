"""A dossier of the small world's campaign, built once a run."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from stillwatch.evidence.case import Case
from stillwatch.pipeline.dossier import Dossiers, Wanted
from stillwatch.pipeline.views.shelf import run_of
from stillwatch.python_api import Stillwatch
from tests.small_world import LATER, copied, found_world, opened, small_world

__all__ = ["found_world", "small_world"]

WORKSHEET = """
input_price_per_million_usd = 3.0
output_price_per_million_usd = [12.0, 15.0, 18.0]
paid_usd = 0
[capabilities.software_engineering]
cost_per_useful_exchange_usd = [2, 8, 40]
"""


@dataclass(frozen=True)
class Built:
    """A workspace with a campaign, and its dossier."""

    folder: Path
    world: Path
    campaign_id: str
    body: bytes
    redacted: bytes
    case: Case

    @property
    def worksheet(self) -> Path:
        return self.folder / "damages.toml"

    def open(self, *, days_later: int = 0) -> Stillwatch:
        return opened(self.folder / "workspace", self.world, clock=LATER + timedelta(days=days_later))

    def again(self, *, days_later: int = 0, **said: object) -> bytes:
        with self.open(days_later=days_later) as watch:
            return watch.dossier(self.campaign_id, **({"worksheet": self.worksheet, "has_pdf": False} | said))


_BUILT: dict[Path, Built] = {}


@pytest.fixture(scope="session")
def built(found_world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Test modules that import this fixture share one."""
    folder = tmp_path_factory.getbasetemp() / "dossier"
    if folder not in _BUILT:
        _BUILT[folder] = build(folder, found_world, small_world)
    return _BUILT[folder]


def build(folder: Path, found_world: Path, small_world: Path) -> Built:
    folder.mkdir()
    (folder / "damages.toml").write_text(WORKSHEET)
    with copied(found_world, folder / "workspace", small_world) as watch:
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        body = watch.dossier(campaign_id, worksheet=folder / "damages.toml", has_pdf=False)
        redacted = watch.dossier(campaign_id, worksheet=folder / "damages.toml", has_pdf=False, is_redacted=True)
        wanted = Wanted(campaign_id, run_of(watch._run(None)), worksheet=folder / "damages.toml")
        case = Dossiers(watch.workspace, watch.config, clock=lambda: LATER).case(wanted)
    return Built(folder, small_world, campaign_id, body, redacted, case)

"""A provider's small week for tests of the whole way: simulated once a run, cut into what a test ingests."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch import simulate
from stillwatch.config import Config, DetectSettings
from stillwatch.engines import Settings as EngineSettings
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace

SEED = 5
START = datetime(2026, 4, 22, tzinfo=UTC)
END = START + timedelta(days=7)
EARLY = datetime(2026, 4, 20, tzinfo=UTC)
"""Ingest time of account snapshots, before all traffic."""
FIRST = datetime(2026, 5, 10, tzinfo=UTC)
"""Ingest time of telemetry."""
LATER = datetime(2026, 5, 20, tzinfo=UTC)
"""Ingest time of what comes late, and of judgements."""

CONFIG = Config(
    detect=DetectSettings(window_days=7, alpha=5e-3),
    engines=EngineSettings(memory_limit="1GB", threads=2),
)
"""A few hundred people cannot resolve the default alpha; at this one the planted campaign is found."""

WORLD = simulate.World(
    honest=simulate.HonestMix(n_accounts=400, n_frameworks=12, power_share=0.005),
    campaigns=(simulate.Campaign(name="plain", n_accounts=150, exchanges_per_day=15.0, dilution=0.0, p_share=0.3),),
    n_days=7,
    release_day=4,
)

NETWORK_COLUMNS = ("client_address", "tls_client_ja4", "user_agent_original")
TEXT_COLUMNS = ("prompt", "system_instructions", "tool_definitions")


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `exchanges/`, `accounts.parquet` and `truth.parquet`; every second account names its end user.

    Test modules that import this fixture share one folder.
    """
    folder = tmp_path_factory.getbasetemp() / "small-world"
    if not folder.exists():
        made = simulate.simulate(WORLD, seed=SEED, out_dir=folder)
        for file in made.exchanges.iterdir():
            rows = pq.read_table(file)
            users = pc.binary_join_element_wise(pa.scalar("user of ", pa.string()), rows["account_id"], "")
            has_user = pc.match_substring_regex(rows["account_id"], "[02468ace]$")
            pq.write_table(rows.append_column("end_user_id", pc.if_else(has_user, users, None)), file)
    return folder


@pytest.fixture(scope="session")
def found_world(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a workspace that holds the whole small world and one detection run. Copy it before writing to it."""
    folder = tmp_path_factory.getbasetemp() / "found-world"
    if not folder.exists():
        with new_workspace(folder, small_world) as watch:
            watch.ingest([small_world / "exchanges"])
            watch.detect()
    return folder


@contextmanager
def new_workspace(folder: Path, world: Path, *, has_accounts: bool = True) -> Iterator[Stillwatch]:
    """A new workspace in `folder`, with the keys that all of this world's workspaces share and its accounts."""
    environ = {"STILLWATCH_KEYS": str(world / "keys.json")}
    Workspace.init(folder, environ=environ).close()
    with opened(folder, world, clock=EARLY) as early:
        if has_accounts:
            early.ingest_accounts([world / "accounts.parquet"])
    with opened(folder, world) as watch:
        yield watch


def opened(folder: Path, world: Path, *, clock: datetime = FIRST, config: Config = CONFIG) -> Stillwatch:
    """The workspace in `folder` at a fixed time."""
    workspace = Workspace.open(folder, environ={"STILLWATCH_KEYS": str(world / "keys.json")})
    return Stillwatch(workspace, config, clock=lambda: clock)


def copied(folder: Path, to: Path, world: Path, *, clock: datetime = LATER, by: str = "account") -> Stillwatch:
    """A copy of a workspace, open at a later time."""
    shutil.copytree(folder, to)
    config = msgspec.structs.replace(CONFIG, detect=msgspec.structs.replace(CONFIG.detect, by=by))
    return opened(to, world, clock=clock, config=config)


def cut(world: Path, to: Path, keep: Callable[[pa.Table], pa.Table]) -> Path:
    """The world's exchanges, each day's rows passed through `keep`, in a new folder; days without rows are left out."""
    to.mkdir()
    for file in sorted((world / "exchanges").iterdir()):
        rows = keep(pq.read_table(file))
        if rows.num_rows:
            pq.write_table(rows, to / file.name)
    return to


def before(moment: datetime) -> Callable[[pa.Table], pa.Table]:
    """Keeps what started before `moment`."""
    return lambda rows: rows.filter(pc.less(rows["start_time"], pa.scalar(moment, rows["start_time"].type)))

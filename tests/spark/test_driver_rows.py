"""What comes to the driver in each stage: every call that brings rows into memory is listed here with its bound.

The driver of a cluster is one machine. A call that is not in `INVENTORY`, or that brings more rows than its bound,
fails this test: bound it, or add it here and to `docs/scaling-out.md`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch import pipeline, simulate
from stillwatch.engines import Engine, Settings, open_engine
from stillwatch.grouping import Settings as GroupingSettings
from stillwatch.model.tables import GROUP_MEMBERS, GROUP_SCORES, GROUPS
from stillwatch.pulse import Settings as PulseSettings
from stillwatch.signals.catalog import catalog
from stillwatch.store.lake import Lake
from tests.small_world import CONFIG, SEED, new_workspace
from tests.spark.test_parity import SMALL_WORLD

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "scaling-out.md"


@dataclass
class Counting:
    """An engine that notes who brings rows into memory, and how many; everything else is the engine's own."""

    engine: Engine
    n_rows: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def to_arrow(self, expression: Any) -> Any:
        rows = self.engine.to_arrow(expression)
        self._note("out of", rows.num_rows)
        return rows

    def from_arrow(self, table: Any, rows: Any) -> Any:
        self._note("into", rows.num_rows)
        return self.engine.from_arrow(table, rows)

    def _note(self, way: str, n_rows: int) -> None:
        frame = sys._getframe(2)
        while frame.f_code.co_name.startswith("<"):
            assert frame.f_back is not None
            frame = frame.f_back
        site = f"{way} {frame.f_globals['__name__'].removeprefix('stillwatch.')}.{frame.f_code.co_name}"
        self.n_rows[site] = max(n_rows, self.n_rows.get(site, 0))


@dataclass(frozen=True)
class Sizes:
    """How large each thing is that a bound may name."""

    n_days: int
    n_groups: int
    n_signals: int
    n_memberships: int
    """Slices in flagged groups; flagged groups and campaigns are fewer."""
    n_found: int


ONE = 1
KINDS = 32
"""Token kinds, and capabilities, are closed lists shorter than this."""

PULSE_DAYS = PulseSettings().days_before + 1
"""A run takes the pulse of its last whole day."""
CELLS = 4096
"""Micro cells; hours and capabilities are fewer."""

INVENTORY: dict[str, Callable[[Sizes], int]] = {
    "out of pipeline.daily.read_calls": lambda s: ONE,
    "out of features.stage._spans": lambda s: s.n_days + 2,
    "out of pipeline.detection.run_inputs": lambda s: 0,  # no fitted calibration
    "out of pipeline.detection.earlier_runs": lambda s: CONFIG.detect.keep_runs,
    "out of grouping.linked.rare_pairs": lambda s: GroupingSettings().rare_accounts,
    "out of grouping.linked._edge_arrays": lambda s: GroupingSettings().max_pairs,
    "out of scoring.run.run": lambda s: s.n_groups * s.n_signals,
    "out of scoring.run._not_to_accuse": lambda s: s.n_groups,
    "out of pipeline.second_look.look_again": lambda s: ONE,
    "out of campaigns.gather.gather": lambda s: s.n_memberships,
    "out of campaigns.misfits.misfits": lambda s: 2 * s.n_memberships,
    "out of campaigns.history.read_history": lambda s: 0,  # no earlier run; else members of known campaigns
    "out of campaigns.history._last_verdicts": lambda s: 0,  # no judgement
    "out of campaigns.exclusive.joiners": lambda s: s.n_memberships,
    "out of campaigns.run._account_rows": lambda s: s.n_memberships,
    "out of campaigns.run._volumes": lambda s: s.n_found,
    "out of campaigns.run._capability_bins": lambda s: KINDS * s.n_memberships,
    "out of campaigns.run._kinds": lambda s: ONE,
    "out of campaigns.groups.flagged_values": lambda s: s.n_groups * s.n_signals,  # of flagged groups
    # members, those whom exclusive tokens bring in, and how many people stand where
    "out of pipeline.detection.detect": lambda s: max(2 * s.n_memberships, s.n_groups),
    "out of pipeline.detection._summary": lambda s: ONE,
    "out of pipeline.detection._near_tokens": lambda s: s.n_groups,
    "out of pipeline.notes.missing_notes": lambda s: KINDS,
    "out of pulse.population.day_weights": lambda s: PULSE_DAYS * CELLS,
    "out of pulse.population.active_accounts": lambda s: PULSE_DAYS,
    "out of pipeline.pulse.pulse_rows": lambda s: ONE,
    "into pulse.stage.run": lambda s: ONE,
    "into pipeline.detection.run_inputs": lambda s: ONE,
    "into grouping.linked.linked_pairs": lambda s: 2 * GroupingSettings().max_pairs,
    "into scoring.run.run": lambda s: s.n_groups,
    "into campaigns.exclusive._working": lambda s: s.n_memberships,
    "into campaigns.run._of": lambda s: s.n_memberships,
    "into campaigns.run.run": lambda s: 2 * s.n_memberships,
}
"""Who brings rows out of the engine into the driver's memory, or back in, and how many at most."""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, int], Sizes]]:
    """The most rows that each call moved in one run, and what the run was about."""
    folder = tmp_path_factory.mktemp("driver-rows")
    made = simulate.simulate(SMALL_WORLD, seed=SEED, out_dir=folder / "world")
    with new_workspace(folder / "lake", folder / "world") as watch:
        watch.ingest([made.exchanges])
        engine = Counting(open_engine("duckdb", Settings(memory_limit="1GB", threads=2)))
        lake, judgements = watch.workspace.lake, watch.workspace.state.judgements()
        found = pipeline.detect(lake, judgements, pipeline.Question(), engine=engine, config=CONFIG)
        yield engine.n_rows, sizes(lake, judgements, found, engine.engine)
        engine.close()


def sizes(lake: Lake, judgements: pa.Table, found: pipeline.Outcome, engine: Engine) -> Sizes:
    """Counted on a run of the same stages that nobody watches."""
    snapshot, question = lake.snapshot(), pipeline.Question()
    inputs = pipeline.run_inputs(snapshot, judgements, question, found.run, engine=engine, config=CONFIG)
    tables = pipeline.run_stages(inputs, found.run, engine=engine, config=CONFIG)
    scores = engine.to_arrow(tables[GROUP_SCORES.name])
    flagged = scores.filter(pc.not_equal(scores["tier"], "none"))
    members = engine.to_arrow(tables[GROUP_MEMBERS.name])
    inside = members.filter(pc.is_in(members["group_id"], value_set=flagged["group_id"].combine_chunks()))
    assert 0 < flagged.num_rows < scores.num_rows
    return Sizes(
        n_days=SMALL_WORLD.n_days,
        n_groups=engine.to_arrow(tables[GROUPS.name]).num_rows,
        n_signals=len(catalog()),
        n_memberships=inside.num_rows,
        n_found=found.findings.num_rows,
    )


def test_no_call_moves_more_rows_through_the_driver_than_its_bound(counted: tuple[dict[str, int], Sizes]) -> None:
    n_rows, known = counted
    unknown = sorted(n_rows.keys() - INVENTORY.keys())
    assert not unknown, f"not in the inventory: {unknown}"
    over = {site: (n, INVENTORY[site](known)) for site, n in n_rows.items() if n > INVENTORY[site](known)}
    assert not over, f"rows moved, and the bound: {over}"


def test_the_inventory_names_only_calls_that_are_made(counted: tuple[dict[str, int], Sizes]) -> None:
    assert INVENTORY.keys() == counted[0].keys()


def test_the_document_names_every_call() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [site for site in INVENTORY if f"`{site.rpartition(' ')[2]}`" not in text] == []

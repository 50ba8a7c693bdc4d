"""A simulated window through the stages: what was proposed, how it was judged, and what it really was."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.evaluate.labels import Truth, label_groups
from stillwatch.model.stage import Run
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CALIBRATIONS,
    CAMPAIGN_MEMBERS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    INDICATORS,
    JUDGEMENTS,
    TOKEN_USES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline import detection_stages, run_stages
from stillwatch.scoring import Calibration
from stillwatch.simulate import World, aggregate_world
from stillwatch.simulate.build import populate
from stillwatch.simulate.identity import truth_groups
from stillwatch.simulate.snapshots import stored_account_events


@dataclass(frozen=True, slots=True)
class Scene:
    """One provider window with its truth: the tables that detection reads, in memory."""

    token_uses: pa.Table
    account_days: pa.Table
    accounts: pa.Table
    truth: Truth
    window: Window
    account_events: pa.Table = field(default_factory=ACCOUNT_EVENTS.empty)

    @property
    def n_accounts(self) -> int:
        """How many accounts sent anything in the window."""
        return len(pc.unique(self.account_days["account_id"]))

    def run(self, alpha: float) -> Run:
        """The detection run over the whole window."""
        return Run(run_id="evaluate", window=self.window, alpha=alpha)


@dataclass(frozen=True, slots=True)
class Proposed:
    """Groups of a scene with their signals and labels; `labels` has the group ids and columns of `label_groups`.

    `customers` holds the ids of the groups that are one customer.
    """

    groups: pa.Table
    signals: pa.Table
    labels: pa.Table
    customers: pa.Array
    n_accounts: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A scene after the last stage."""

    groups: pa.Table
    members: pa.Table
    labels: pa.Table
    scores: pa.Table
    findings: pa.Table
    truth: Truth


def build_scene(world: World, *, seed: int) -> Scene:
    """The window of `world` drawn with `seed`, at aggregate level."""
    made = aggregate_world(world, seed=seed)
    population = populate(world, seed=seed)
    streams = truth_groups(population, seed=seed)
    start = datetime.fromisoformat(world.start).replace(tzinfo=UTC)
    return Scene(
        token_uses=made.token_uses,
        account_days=made.account_days,
        accounts=made.accounts,
        truth=read_truth(made.truth, streams, made.accounts),
        window=Window(start, start + timedelta(days=world.n_days)),
        account_events=stored_account_events(world, population, seed=seed),
    )


def read_truth(truth: pa.Table, streams: pa.Table, accounts: pa.Table) -> Truth:
    """The simulator's truth tables as labels of accounts.

    An account is of its own class and of each class whose traffic it joined; adopters of a framework are of the class
    `framework`.
    """
    columns = ["account_id", "honest_class"]
    both = pa.concat_tables([truth.select(columns), streams.select(columns)])
    classes = both.filter(pc.is_valid(both["honest_class"])).group_by(columns).aggregate([])
    campaigns = truth.filter(truth["is_campaign"]).select(["account_id", "campaign_name"])
    has_contract = pc.greater(pc.fill_null(pc.list_value_length(accounts["contract_tags"]), 0), 0)
    managed = accounts.filter(pc.or_(pc.is_valid(accounts["verified_owner"]), has_contract))
    return Truth(
        memberships=classes,
        campaigns=campaigns.rename_columns(["account_id", "campaign"]),
        managed=managed.select(["account_id"]),
    )


def propose(scene: Scene, *, engine: Engine, config: Config) -> Proposed:
    """The groups that detection would judge in the scene, and their signals."""
    grouping, signals = detection_stages(engine, config)[:2]
    with engine.scope():
        given = {table.name: table for table in (*grouping.reads, *signals.reads) if table not in grouping.writes}
        tables = {name: engine.from_arrow(table, getattr(scene, name)) for name, table in given.items()}
        run = scene.run(config.detect.alpha)
        for stage in (grouping, signals):
            tables.update(stage.run({table.name: tables[table.name] for table in stage.reads}, run))
        members = tables[GROUP_MEMBERS.name]
        customers = engine.to_arrow(scoring.single_customer_groups(members, tables[ACCOUNTS.name]))
        return Proposed(
            groups=engine.to_arrow(tables[GROUPS.name]),
            signals=engine.to_arrow(tables[GROUP_SIGNALS.name]),
            labels=label_groups(engine.to_arrow(members), scene.truth),
            customers=customers["group_id"].combine_chunks(),
            n_accounts=scene.n_accounts,
        )


def judge(
    scene: Scene, calibration: Calibration, *, engine: Engine, config: Config, indicators: pa.Table | None = None
) -> Judged:
    """The scene after every detection stage, judged by `calibration`; `indicators` of peers are none by default."""
    row = scoring.calibration_row(calibration, created_at=scene.window.start)
    memory = {
        TOKEN_USES: scene.token_uses,
        ACCOUNT_DAYS: scene.account_days,
        ACCOUNTS: scene.accounts,
        ACCOUNT_EVENTS: scene.account_events,
        CALIBRATIONS: pa.Table.from_pylist([row | {"kind": "fitted"}], schema=CALIBRATIONS.schema),
        INDICATORS: INDICATORS.empty() if indicators is None else indicators,
        **{table: table.empty() for table in (JUDGEMENTS, CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS)},
    }
    with engine.scope():
        inputs = {table.name: engine.from_arrow(table, rows) for table, rows in memory.items()}
        tables = run_stages(inputs, scene.run(config.detect.alpha), engine=engine, config=config)
        members = engine.to_arrow(tables[GROUP_MEMBERS.name])
        return Judged(
            groups=engine.to_arrow(tables[GROUPS.name]),
            members=members,
            labels=label_groups(members, scene.truth),
            scores=engine.to_arrow(tables[GROUP_SCORES.name]),
            findings=engine.to_arrow(tables[ACCOUNT_FINDINGS.name]),
            truth=scene.truth,
        )

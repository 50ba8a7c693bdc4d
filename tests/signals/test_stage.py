from datetime import UTC, datetime

import numpy as np
import pytest

from stillwatch.errors import ConfigError
from stillwatch.model.stage import Run
from stillwatch.model.tables import GROUP_SIGNALS
from stillwatch.model.window import Window
from stillwatch.signals import Settings, catalog, run
from tests.signals.worlds import Bench, dealt, honest, tables_of

RUN = Run("r", Window(datetime(2026, 4, 22, tzinfo=UTC), datetime(2026, 6, 6, tzinfo=UTC)))


def rows_of(bench: Bench, groups, settings: Settings) -> dict[tuple[str, str], dict[str, object]]:
    made = run(bench.load(tables_of(groups)), RUN, engine=bench.engine, settings=settings)
    rows = bench.engine.to_arrow(made["group_signals"])
    assert rows.schema.names == GROUP_SIGNALS.schema.names
    assert rows.schema.types == GROUP_SIGNALS.schema.types
    return {(row["group_id"], row["signal"]): row for row in rows.to_pylist()}


def world():
    rng = np.random.default_rng(1)
    return [dealt("a", rng, m=20, mean=12), honest("b", rng, m=20, mean=12)]


def test_shared_sums_give_what_each_signal_gives_by_itself(bench: Bench) -> None:
    together = rows_of(bench, world(), Settings())
    for signal in catalog():
        for group_id, row in bench.answers(signal, world()).items():
            found = together[group_id, signal.name]
            assert {name: found[name] for name in ("value", "conservative_value", "n")} == row


def test_every_group_has_every_signal_at_most_once(bench: Bench) -> None:
    assert len(rows_of(bench, world(), Settings())) == 2 * len(catalog())


def test_no_groups_give_no_rows(bench: Bench) -> None:
    assert rows_of(bench, [], Settings()) == {}


def test_an_excluded_signal_has_no_rows(bench: Bench) -> None:
    names = {name for _, name in rows_of(bench, world(), Settings(exclude=("youth",)))}
    assert names == {signal.name for signal in catalog()} - {"youth"}


def test_an_unknown_excluded_signal_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        rows_of(bench, world(), Settings(exclude=("nonsense",)))


def test_the_catalogue_is_what_the_documentation_lists() -> None:
    assert {signal.name for signal in catalog()} == {
        "amnesia", "homogeneous_and_disjoint",
        "volume_dispersion", "cell_homogeneity", "hour_homogeneity", "day_homogeneity", "hour_concentration",
        "coverage_entropy", "target_share", "youth",
    }  # fmt: skip

from datetime import UTC, datetime

import numpy as np
import pytest

from stillwatch.errors import ConfigError
from stillwatch.model.stage import Run
from stillwatch.model.tables import GROUP_SIGNALS
from stillwatch.model.window import Window
from stillwatch.signals import Settings, catalog, run
from tests.signals.worlds import Bench, dealt, honest, sampled, tables_of

RUN = Run("r", Window(datetime(2026, 4, 22, tzinfo=UTC), datetime(2026, 6, 6, tzinfo=UTC)))


def rows_of(bench: Bench, groups, settings: Settings) -> dict[tuple[str, str], dict[str, object]]:
    made = run(bench.load(tables_of(groups)), RUN, engine=bench.engine, settings=settings)
    rows = bench.engine.to_arrow(made["group_signals"])
    assert rows.schema.names == GROUP_SIGNALS.schema.names
    assert rows.schema.types == GROUP_SIGNALS.schema.types
    return {(row["group_id"], row["signal"]): row for row in rows.to_pylist()}


def world():
    rng = np.random.default_rng(1)
    return [dealt("a", rng, m=20, mean=12), honest("b", rng, m=20, mean=12), sampled("c", rng, m=20)]


def test_shared_sums_give_what_each_signal_gives_by_itself(bench: Bench) -> None:
    together = rows_of(bench, world(), Settings())
    for signal in catalog():
        for group_id, row in bench.answers(signal, world()).items():
            found = together[group_id, signal.name]
            assert {name: found[name] for name in ("value", "conservative_value", "n")} == row


def test_every_signal_with_evidence_gives_a_group_one_row(bench: Bench) -> None:
    alone = [len(bench.answers(signal, world())) for signal in catalog()]
    assert len(rows_of(bench, world(), Settings())) == sum(alone) > len(catalog())


def test_no_groups_give_no_rows(bench: Bench) -> None:
    assert rows_of(bench, [], Settings()) == {}


def test_an_excluded_signal_has_no_rows(bench: Bench) -> None:
    names = {name for _, name in rows_of(bench, world(), Settings(exclude=("youth",)))}
    assert names == {name for _, name in rows_of(bench, world(), Settings())} - {"youth"}


def test_an_unknown_excluded_signal_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        rows_of(bench, world(), Settings(exclude=("nonsense",)))


def test_the_catalogue_is_what_the_documentation_lists() -> None:
    assert {signal.name for signal in catalog()} == {
        "amnesia", "cell_homogeneity", "common_driver", "coverage_entropy", "day_homogeneity", "even_samples",
        "homogeneous_and_disjoint", "hour_concentration", "hour_homogeneity", "onset_synchrony", "pivot",
        "rate_limit_hugging", "successor_handover", "target_share", "volume_dispersion", "youth",
    }  # fmt: skip

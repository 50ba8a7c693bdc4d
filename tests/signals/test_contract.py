"""What every registered signal must keep, checked on each by itself."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from stillwatch.model.signal import Signal
from stillwatch.model.stage import Run
from stillwatch.model.window import Window
from stillwatch.signals import READS, Settings, catalog, run
from tests.signals.worlds import Bench, Group, dealt, honest, sampled, single_use, tables_of

every_signal = pytest.mark.parametrize("signal", catalog(), ids=lambda signal: signal.name)


def world() -> list[Group]:
    rng = np.random.default_rng(3)
    return [
        dealt("g-dealt", rng, m=40, mean=20),
        honest("g-honest", rng, m=40, mean=20),
        single_use("g-viral", rng, m=30),
        dealt("g-pair", rng, m=2, mean=1),
        sampled("g-sampled", rng, m=20),
    ]


def read_tables(signal: Signal) -> set[str]:
    """Names of the tables that the signal's expression reads, when it is offered all tables under their own names."""
    import ibis
    import ibis.expr.operations as ops

    offered = {table.name: ibis.table(ibis.Schema.from_pyarrow(table.schema), name=table.name) for table in READS}
    return {node.name for node in signal.compute(offered).op().find(ops.UnboundTable)}


@every_signal
def test_reads_precisely_what_it_declares(signal: Signal) -> None:
    assert read_tables(signal) == {table.name for table in signal.reads}


@every_signal
def test_empty_tables_give_no_rows(signal: Signal, bench: Bench) -> None:
    assert bench.answers(signal, []) == {}


@every_signal
def test_renaming_accounts_and_reordering_rows_changes_nothing(signal: Signal, bench: Bench) -> None:
    plain = bench.answers(signal, world())
    assert plain == bench.answers(signal, world(), rename="zz", shuffle=11)
    assert plain, "the world must give this signal something to say"


@every_signal
def test_values_are_finite_and_rows_are_unique(signal: Signal, bench: Bench) -> None:
    for row in bench.answers(signal, world()).values():
        assert all(value is None or math.isfinite(value) for value in row.values())
        assert row["n"] >= 1


@every_signal
def test_a_dealt_queue_is_more_suspicious_than_honest_members(signal: Signal, bench: Bench) -> None:
    if signal.name in ("target_share", "even_samples", "rate_limit_hugging"):
        pytest.skip("a dealt queue may ask for anything, once, at any pace: its own test plants the case")
    rows = bench.answers(signal, world())
    assert rows["g-dealt"]["conservative_value"] > rows["g-honest"]["conservative_value"]


@every_signal
def test_prose_is_complete(signal: Signal) -> None:
    assert signal.question.endswith("?")
    assert all((signal.unit, signal.high_means, signal.innocent_cause, signal.source))


@pytest.mark.spark
def test_every_signal_gives_the_same_rows_on_spark(bench: Bench) -> None:
    window = Window(datetime(2026, 4, 22, tzinfo=UTC), datetime(2026, 6, 6, tzinfo=UTC))
    answers = []
    for one in (bench, Bench("local[2]")):
        made = run(one.load(tables_of(world())), Run("r", window), engine=one.engine, settings=Settings())
        rows = one.engine.to_arrow(made["group_signals"]).to_pylist()
        answers.append({(row["group_id"], row["signal"]): row for row in rows})
        if one is not bench:
            one.engine.close()
    assert answers[0].keys() == answers[1].keys()
    for key, row in answers[0].items():
        assert row["value"] == pytest.approx(answers[1][key]["value"], rel=1e-9, abs=1e-9)
        assert row["conservative_value"] == pytest.approx(answers[1][key]["conservative_value"], rel=1e-9, abs=1e-9)
        assert row["n"] == answers[1][key]["n"]

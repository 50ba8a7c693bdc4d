"""Scores computed again from what a run keeps are those of the run."""

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.model.tables import ACCOUNTS, CAMPAIGN_GROUPS, GROUP_MEMBERS, INDICATORS, SCORE_CROWD, SCORE_SHIFTS
from stillwatch.scoring import Settings, rescored, run, shift
from tests.scoring.honest import SIGNALS, calibration
from tests.scoring.test_run import RUN, MemoryEngine, group_signals, groups, stored, stored_table

N_GROUPS = 60


def judged(seed: int) -> tuple[pa.Table, pa.Table, dict[str, pa.Table]]:
    """Groups of which every tenth is suspicious and one signal in six is missing, their signals, and a run on them."""
    draw = np.random.default_rng(seed)
    values = draw.normal(0, 1, (N_GROUPS, len(SIGNALS))) + np.where(np.arange(N_GROUPS) % 10 == 0, 6.0, 0.0)[:, None]
    values[draw.random(values.shape) < 1 / 6] = np.nan
    group_rows, signal_rows = groups(draw.integers(5, 90, N_GROUPS).tolist()), group_signals(values.tolist())
    given = {"groups": group_rows, "group_signals": signal_rows, "calibrations": stored_table(stored(calibration()))}
    empty = {table.name: table.empty() for table in (ACCOUNTS, GROUP_MEMBERS, INDICATORS)}
    tables = {name: ibis.memtable(rows) for name, rows in (given | empty).items()}
    made = run(tables, RUN, engine=MemoryEngine(), settings=Settings())
    return group_rows, signal_rows, {name: rows.to_pyarrow() for name, rows in made.items()}


def kept(group_rows: pa.Table, signal_rows: pa.Table, scores: pa.Table) -> pa.Table:
    """CAMPAIGN_GROUPS of these scores."""
    known = {(row["group_id"], row["signal"]): row["conservative_value"] for row in signal_rows.to_pylist()}
    own = {row["group_id"]: row for row in group_rows.to_pylist()}
    rows = [
        {
            "run_id": "r",
            "campaign_id": "c-1",
            **{name: own[row["group_id"]][name] for name in ("proposal", "token_kind", "n_accounts", "n_exchanges")},
            "n_tests": own[row["group_id"]]["n_tests"],
            **row,
            "values": [known[row["group_id"], signal] for signal in row["signals"]],
        }
        for row in scores.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=CAMPAIGN_GROUPS.schema)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("least", [5, 1000])
def test_scores_of_a_few_groups_are_those_of_the_run_to_the_digit(
    seed: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shift, "MIN_GROUPS_FOR_SHIFT", least)
    group_rows, signal_rows, made = judged(seed)
    scores = made["group_scores"]
    some = scores.filter(pc.greater(scores["score"], pc.quantile(scores["score"], 0.8)[0])).sort_by("group_id")
    again = rescored(
        kept(group_rows, signal_rows, some), made["score_shifts"], made["score_crowd"],
        calibration=calibration(), alpha=RUN.alpha, settings=Settings(),
    )  # fmt: skip
    assert 5 < again.num_rows < N_GROUPS / 2
    assert again.to_pylist() == some.to_pylist()


def test_a_run_keeps_its_people_and_the_signals_that_it_had() -> None:
    group_rows, _, made = judged(1)
    assert pc.sum(made["score_crowd"]["n_people"]) == pc.sum(group_rows["n_accounts"])
    assert sorted(made["score_shifts"]["signal"].to_pylist()) == sorted(SIGNALS)
    assert made["score_shifts"]["centre"].null_count == len(SIGNALS)
    assert made["score_crowd"].schema.equals(SCORE_CROWD.schema)
    assert made["score_shifts"].schema.equals(SCORE_SHIFTS.schema)

"""The stage: groups and their signals in, verdicts out."""

from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import (
    ACCOUNTS,
    CALIBRATIONS,
    GROUP_MEMBERS,
    GROUP_SCORES,
    GROUP_SIGNALS,
    GROUPS,
    INDICATORS,
    SCORE_CROWD,
    SCORE_SHIFTS,
)
from stillwatch.model.tier import Tier
from stillwatch.scoring.calibration import Calibration, shipped
from stillwatch.scoring.customer import single_customer_groups, unknown_customer_groups
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.named import is_among, named_groups
from stillwatch.scoring.population import Placed, crowd_rows, place, shift_rows
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.settings import Settings
from stillwatch.scoring.strength import Strength, run_shifts, strength_of, strength_under
from stillwatch.scoring.verdict import crowd_q_values, nearest_lookalikes, tiers, window_p_values
from stillwatch.stats.conformal import FloatArray

READS = (GROUPS, GROUP_SIGNALS, GROUP_MEMBERS, ACCOUNTS, CALIBRATIONS, INDICATORS)
WRITES = (GROUP_SCORES, SCORE_SHIFTS, SCORE_CROWD)

SHIPPED_AT: Final = datetime(2026, 11, 23, tzinfo=UTC)
"""When the shipped calibration was fitted; its row needs a time, and no `as_of` ever hides it."""


def run(tables: Tables, run: Run, *, engine: Engine, settings: Settings) -> Tables:
    """One verdict for every group.

    A group that is one customer, or of which nobody knows whose accounts they are, is never accused, and one that is
    mixed has no verdict. Records of accounts say nothing about organisations and end users, so that runs by these
    judge them without. INDICATORS of peers lift groups to review at most.

    Raises:
        CalibrationError: the calibration is damaged.
    """
    groups = engine.to_arrow(tables["groups"])
    signals = engine.to_arrow(tables["group_signals"])
    calibration = only_calibration(engine.to_arrow(tables["calibrations"]))
    matrix = group_matrix(groups, signals, calibration.signals)
    whole = groups.filter(pc.invert(groups["is_mixed"]))
    named = named_groups(whole, engine.to_arrow(tables["indicators"]), run.window)
    shifts = run_shifts(matrix, calibration)
    strength = strength_under(matrix, calibration, shifts)
    placed = place(strength, calibration, alpha=run.alpha, settings=settings)
    found = verdicts(matrix.group_ids, strength, calibration, placed, is_named=is_among(matrix.group_ids, named))
    capped = cap_at_review(found, _not_to_accuse(tables, run, engine))
    mixed = groups.filter(groups["is_mixed"])["group_id"].combine_chunks()
    rows = {
        GROUP_SCORES: without_verdict(capped, mixed),
        SCORE_SHIFTS: shift_rows(run.run_id, shifts, strength, calibration.signals),
        SCORE_CROWD: crowd_rows(run.run_id, placed.crowd),
    }
    return {table.name: engine.from_arrow(table, content) for table, content in rows.items()}


def _not_to_accuse(tables: Tables, run: Run, engine: Engine) -> pa.Array:
    """Ids of the groups that are one customer or may be."""
    members, accounts = tables["group_members"], tables["accounts"]
    found = single_customer_groups(members, accounts)
    if run.by == "account":
        found = found.union(unknown_customer_groups(members, accounts))
    return engine.to_arrow(found)["group_id"].combine_chunks()


def cap_at_review(scored: pa.Table, group_ids: pa.Array) -> pa.Table:
    """`scored` with every accusation of one of these groups turned into a review."""
    is_capped = pc.and_(pc.is_in(scored["group_id"], value_set=group_ids), pc.equal(scored["tier"], Tier.ACCUSE.value))
    tier = pc.if_else(is_capped, pa.scalar(Tier.REVIEW.value), scored["tier"])
    return scored.set_column(scored.schema.get_field_index("tier"), scored.schema.field("tier"), tier)


def without_verdict(scored: pa.Table, group_ids: pa.Array) -> pa.Table:
    """`scored` with tier none for these groups."""
    is_spared = pc.is_in(scored["group_id"], value_set=group_ids)
    tier = pc.if_else(is_spared, pa.scalar(Tier.NONE.value), scored["tier"])
    return scored.set_column(scored.schema.get_field_index("tier"), scored.schema.field("tier"), tier)


def calibrations(stored: pa.Table, as_of: datetime | None = None) -> pa.Table:
    """The one CALIBRATIONS row that a run uses: the newest fitted one made before `as_of`, else the shipped one."""
    fitted = [
        row for row in stored.to_pylist() if row["kind"] == "fitted" and (as_of is None or row["created_at"] < as_of)
    ]
    newest = max(fitted, key=lambda row: (row["created_at"], row["calibration_id"]), default=None)
    row = newest or calibration_row(shipped(), created_at=SHIPPED_AT)
    return pa.Table.from_pylist([row], schema=CALIBRATIONS.schema)


def calibration_row(calibration: Calibration, *, created_at: datetime) -> dict[str, object]:
    """A calibration as a row of CALIBRATIONS."""
    return {
        "calibration_id": calibration.calibration_id,
        "kind": calibration.kind,
        "created_at": created_at,
        "body": calibration.to_json(),
    }


def only_calibration(rows: pa.Table) -> Calibration:
    """The calibration that the run was given, or the shipped one when it was given none."""
    chosen = calibrations(rows).to_pylist()[0]
    return shipped() if chosen["kind"] == "shipped" else Calibration.from_json(chosen["body"])


def score_groups(matrix: GroupMatrix, calibration: Calibration, *, alpha: float, settings: Settings) -> pa.Table:
    """The GROUP_SCORES rows of the groups of `matrix`, which are all judged groups of one run, ordered by group id."""
    strength = strength_of(matrix, calibration)
    return scored(matrix.group_ids, strength, calibration, alpha=alpha, settings=settings)


def scored(
    group_ids: pa.Array,
    strength: Strength,
    calibration: Calibration,
    *,
    alpha: float,
    settings: Settings,
    is_named: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """The GROUP_SCORES rows of groups whose strength is known, in their order; `is_named` as in `tiers`."""
    placed = place(strength, calibration, alpha=alpha, settings=settings)
    return verdicts(group_ids, strength, calibration, placed, is_named=is_named)


def verdicts(
    group_ids: pa.Array,
    strength: Strength,
    calibration: Calibration,
    placed: Placed,
    *,
    is_named: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """The GROUP_SCORES rows of groups whose place among honest ones is known, in their order."""
    scores, groups, seen = placed.scores, placed.groups, placed.seen
    contributions = scorer_of(seen).contributions(strength.evidence)
    nearest = nearest_lookalikes(strength.residuals, seen)
    quantiles = np.array([lookalike.score_q99 for lookalike in seen.lookalikes])
    names = [lookalike.name for lookalike in seen.lookalikes]
    found = tiers(scores, strength.families, groups, placed.thresholds, is_named=is_named)
    columns = {
        "group_id": group_ids,
        **_signal_columns(strength, contributions, scores, calibration.signals),
        "score": scores,
        "p_value": window_p_values(groups, placed.honest, n_windows=calibration.n_windows),
        "q_value": crowd_q_values(
            groups.margins, placed.crowd, placed.honest, n_group_people=calibration.n_group_people
        ),
        "tier": found.tiers,
        "is_near": pa.array(found.is_near),
        "is_lifted": pa.array(found.is_lifted),
        "nearest_lookalike": pa.array([names[place] for place in nearest], pa.string()),
        "margin": scores - quantiles[nearest],
        "calibration_id": pa.array([calibration.calibration_id] * len(scores), pa.string()),
    }
    return pa.table({name: columns[name] for name in GROUP_SCORES.schema.names}, schema=GROUP_SCORES.schema)


def _signal_columns(
    strength: Strength, contributions: FloatArray, scores: FloatArray, signals: tuple[str, ...]
) -> dict[str, pa.Array]:
    """The signals that each group has, with their p-values and contributions, as parallel lists; what is left."""
    has = ~np.isnan(strength.residuals)
    offsets = pa.array(np.append(0, has.sum(axis=1).cumsum()), pa.int32())
    names = pa.array(np.array(signals)[np.nonzero(has)[1]].tolist(), pa.string())
    return {
        "signals": pa.ListArray.from_arrays(offsets, names),
        "p_values": pa.ListArray.from_arrays(offsets, pa.array(strength.p_values[has], pa.float64())),
        "contributions": pa.ListArray.from_arrays(offsets, pa.array(contributions[has], pa.float64())),
        "baseline": scores - np.where(has, contributions, 0.0).sum(axis=1),
    }

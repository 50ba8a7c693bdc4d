"""What a run says about a population that is unlike the calibration's."""

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.pipeline.detection import population_notes
from tests.scoring.honest import calibration, honest_groups
from tests.scoring.test_run import MemoryEngine, stored, stored_table


def notes(*, moved_by: float) -> list[str]:
    """Notes on the groups of an honest sample with so much added to every value of its signal `likeness`."""
    honest = honest_groups(90)
    values = honest.signals["conservative_value"].to_numpy()
    is_moved = pc.equal(honest.signals["signal"], "likeness").to_numpy()
    column = honest.signals.schema.get_field_index("conservative_value")
    moved = honest.signals.set_column(column, "conservative_value", pa.array(values + moved_by * is_moved))
    tables = {"groups": ibis.memtable(honest.groups), "group_signals": ibis.memtable(moved)}
    inputs = {"calibrations": ibis.memtable(stored_table(stored(calibration())))}
    return population_notes(tables, inputs, MemoryEngine())


def test_a_population_like_the_calibration_is_not_worth_a_note() -> None:
    assert notes(moved_by=0.0) == []


def test_a_population_that_lies_elsewhere_is_named_with_its_signal() -> None:
    (note,) = notes(moved_by=4.0)
    assert "likeness" in note
    assert "stillwatch calibrate" in note
    assert "median +" in note

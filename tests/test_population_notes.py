"""What a run says about a population that is unlike the calibration's."""

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.pipeline.notes import population_notes
from stillwatch.scoring import group_matrix
from stillwatch.scoring.population import shift_rows
from stillwatch.scoring.strength import run_shifts, strength_under
from tests.scoring.honest import calibration, honest_groups


def notes(*, moved_by: float) -> list[str]:
    """Notes on the groups of an honest sample with so much added to every value of its signal `likeness`."""
    honest = honest_groups(90)
    values = honest.signals["conservative_value"].to_numpy()
    is_moved = pc.equal(honest.signals["signal"], "likeness").to_numpy()
    column = honest.signals.schema.get_field_index("conservative_value")
    moved = honest.signals.set_column(column, "conservative_value", pa.array(values + moved_by * is_moved))
    known = calibration()
    matrix = group_matrix(honest.groups, moved, known.signals)
    shifts = run_shifts(matrix, known)
    return population_notes(shift_rows("r", shifts, strength_under(matrix, known, shifts), known.signals))


def test_a_population_like_the_calibration_is_not_worth_a_note() -> None:
    assert notes(moved_by=0.0) == []


def test_a_population_that_lies_elsewhere_is_named_with_its_signal() -> None:
    (note,) = notes(moved_by=4.0)
    assert "likeness" in note
    assert "stillwatch calibrate" in note
    assert "median +" in note

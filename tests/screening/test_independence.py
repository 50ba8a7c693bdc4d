"""What screening says is no feature of detection."""

from stillwatch import campaigns, features, grouping, scoring, screening, signals
from stillwatch.model.table import Home
from stillwatch.model.tables import TABLES


def test_no_stage_of_detection_reads_what_screening_writes() -> None:
    written = {table.name for table in screening.WRITES}
    assert "screening_hits" in written
    for room in (features, grouping, signals, scoring, campaigns):
        assert not written & {table.name for table in room.READS}, room.__name__


def test_screening_keeps_its_tables_out_of_the_lake_that_detection_reads() -> None:
    made = [table for table in TABLES if table.made_by == "screening"]
    assert made
    assert all(table.home is Home.STATE for table in made)
    assert {table.name for table in made} == {table.name for table in screening.WRITES}

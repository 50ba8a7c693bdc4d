"""The floor plan holds: one maker a table, and data only flows forward."""

from stillwatch import campaigns, exposure, features, grouping, pulse, scoring, signals
from stillwatch.model.capability import CAPABILITIES
from stillwatch.model.table import Home, Partition
from stillwatch.model.tables import TABLES

ROOMS = (features, pulse, grouping, signals, scoring, campaigns, exposure)
GIVEN = {"ingest", "pipeline"}


def test_every_table_has_one_name_and_one_maker() -> None:
    names = [table.name for table in TABLES]
    assert len(names) == len(set(names))
    for room in ROOMS:
        maker = room.__name__.rpartition(".")[2]
        made = {table.name for table in TABLES if table.made_by == maker and table.home is not Home.STATE}
        expected = {table.name for table in room.WRITES} | ({"calibrations"} if room is scoring else set())
        assert made == expected, maker


def test_a_stage_reads_only_what_an_earlier_one_wrote_or_its_own_history() -> None:
    known = {table.name for table in TABLES if table.made_by in GIVEN} | {"calibrations", "judgements", "indicators"}
    for room in ROOMS:
        own = {table.name for table in room.WRITES}
        for table in room.READS:
            assert table.name in known | own, f"{room.__name__} reads {table.name} before it is made"
        known |= own


def test_stored_tables_are_cut_by_a_column_that_they_have() -> None:
    for table in TABLES:
        if table.partition is not Partition.NONE:
            assert not table.schema.field(table.partition.value).nullable


def test_no_table_stores_an_unsigned_integer() -> None:
    assert not [f.name for table in TABLES for f in table.schema if str(f.type).startswith("uint")]


def test_capability_codes_are_the_order_of_the_tags() -> None:
    assert [capability.code for capability in CAPABILITIES] == list(range(8))

"""What pulse writes."""

import pyarrow as pa

from stillwatch.model.table import Partition, Table, column
from stillwatch.model.tables.kinds import COUNT, DAY, FLAG, REAL, TEXT

PULSES = Table(
    name="pulses",
    made_by="pulse",
    key=("day",),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, required=True),
            column("n_accounts", COUNT, "that sent anything", unit="accounts", required=True),
            column(
                "statistic",
                REAL,
                "squared MMD of the day from the same weekdays before, in units of sampling noise (about 1 per aspect); "
                "null where one of these days is missing",
            ),
            column("p_value", REAL, "rank among the days before; null without a statistic"),
            column("n_ranked", COUNT, "days that it was ranked among", unit="days", required=True),
            column("is_unusual", FLAG, "says something about the population, nothing about any account", required=True),
            column("moved_most", TEXT, "topics, hours or capabilities; null without a statistic"),
        ]
    ),
)

"""Whether a source's latest batch lacks fields that earlier ones had: what an upgrade of a tool does to its logs."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa

EARLIER: Final = 10
"""Batches of a source that the latest one is compared with."""
MIN_RECORDS: Final = 100
"""Records that a batch needs to be compared at all: the share of a field in fewer says little."""
USUAL: Final = 0.2
"""Share of records from which on a field is one that the source reports."""
LOST: Final = 0.5
"""Part of its former share below which a field counts as dropped."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The latest batch of a source and the fields it lost: name, share before, share now, largest loss first."""

    source: str
    ingest_batch_id: str
    fields: tuple[tuple[str, float, float], ...]


def coverage_drops(batches: pa.Table) -> list[Drop]:
    """Sources whose latest batch (rows of INGEST_BATCHES) lacks fields that the ten before had, by name of source."""
    by_source: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in batches.sort_by([("started_at", "ascending"), ("ingest_batch_id", "ascending")]).to_pylist():
        if row["records_in"] >= MIN_RECORDS:
            by_source[row["source"]].append(row)
    drops = [_drop(source, rows) for source, rows in sorted(by_source.items()) if len(rows) > 1]
    return [drop for drop in drops if drop.fields]


def _drop(source: str, rows: list[dict[str, object]]) -> Drop:
    latest = rows[-1]
    now, before = _shares([latest]), _shares(rows[-1 - EARLIER : -1])
    lost = [(name, share, now.get(name, 0.0)) for name, share in before.items() if share >= USUAL]
    lost = [one for one in lost if one[2] < LOST * one[1]]
    return Drop(source, str(latest["ingest_batch_id"]), tuple(sorted(lost, key=lambda one: (one[2] - one[1], one[0]))))


def _shares(rows: list[dict[str, object]]) -> dict[str, float]:
    """Share of all records of the batches that had each field."""
    totals: dict[str, float] = defaultdict(float)
    n = 0
    for row in rows:
        records = msgspec.convert(row["records_in"], int)
        n += records
        for name, share in msgspec.json.decode(str(row["field_coverage"]), type=dict[str, float]).items():
            totals[name] += share * records
    return {name: total / n for name, total in totals.items()}

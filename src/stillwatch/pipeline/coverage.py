"""What a deployment does not see where its telemetry lacks a field, and telemetry that lost one."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from stillwatch.model.tables import INGEST_BATCHES
from stillwatch.sources.known_tools import PREFIX, untested
from stillwatch.store.lake import Snapshot

OF_TOPICS: Final = ("cell_homogeneity", "coverage_entropy", "homogeneous_and_disjoint", "target_share")


@dataclass(frozen=True, slots=True)
class Loss:
    """What falls away without a field: token kinds that no slice is cut by, signals without evidence, other uses."""

    column: str
    token_kinds: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    also: str = ""

    def __str__(self) -> str:
        parts = []
        if self.token_kinds:
            parts.append(f"no slices by {', '.join(self.token_kinds)}")
        if self.signals:
            parts.append(f"signals off: {', '.join(self.signals)}")
        if self.also:
            parts.append(self.also)
        return f"{self.column}: {'; '.join(parts)}"


LOSSES: Final = (
    Loss("account_id", also="rows without an account skip detection"),
    Loss(
        "prompt", ("skeleton", "shingle"), (*OF_TOPICS, "amnesia", "even_samples"), "exposure by capability is unknown"
    ),
    Loss("system_instructions", ("system",)),
    Loss("tool_definitions", ("tools",)),
    Loss("client_address", ("address", "prefix")),
    Loss("tls_client_ja4", ("ja4",)),
    Loss("request_model", (), ("pivot",)),
    Loss("conversation_id", also="repeated prompts of one agent loop count as separate requests"),
    Loss("input_tokens", also="exposure and damages lack the input"),
    Loss("output_tokens", also="exposure and damages lack the output"),
    Loss("status", also="refused and failed calls look like served ones"),
)
"""Signals that need more than telemetry: `youth` the accounts file, `successor_handover` the account events."""


def losses(coverage: Mapping[str, float], *, below: float = 0.01) -> list[Loss]:
    """What is off where columns are null in all but a share of `below` of the rows; absent columns count as null."""
    return [loss for loss in LOSSES if coverage.get(loss.column, 0.0) < below]


READ: Final = ["ingest_batch_id", "source", "uri", "rows_out", "field_coverage"]
COLUMN: Final = "column."
"""In front of our own columns in the coverage of a batch."""
USUAL: Final = 0.2
"""A column that fewer rows had before is no loss."""
KEPT: Final = 0.5
"""Below this part of its usual share a column has dropped."""
MIN_ROWS: Final = 20
"""Batches with fewer rows say nothing about shares."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What changed in a batch against the earlier ones of its source.

    `untested` are tools in versions that no source was tested with; `drops` has the usual share of rows with a value
    and the share now, by column.
    """

    source: str
    uri: str
    untested: tuple[str, ...]
    drops: Mapping[str, tuple[float, float]]

    def lines(self) -> Iterator[str]:
        """What to tell a person, and what is off since then."""
        for tool in self.untested:
            yield f"{self.source}: {tool} is a version that was not tested ({self.uri}); compare the coverage below"
        off = {loss.column: loss for loss in LOSSES}
        for column, (before, after) in self.drops.items():
            told = f"{self.source}: {column} fell from {before:.0%} to {after:.0%} of the rows ({self.uri})"
            yield f"{told}; {off[column]}" if column in off else told


def drifts(snapshot: Snapshot, new: Collection[str]) -> list[Drift]:
    """What drifted in the batches whose ids are in `new`, against all other batches of the same source.

    Batches with too few rows to say anything, as a server's are, are looked at together.
    """
    files = snapshot.files(INGEST_BATCHES)
    rows = [row for file in files for row in pq.read_table(file, columns=READ, partitioning=None).to_pylist()]
    found = []
    for row in _large_enough([row for row in rows if row["ingest_batch_id"] in new]):
        earlier = [old for old in rows if old["source"] == row["source"] and old["ingest_batch_id"] not in new]
        drift = Drift(row["source"], row["uri"], _untested(row), _drops(row, earlier))
        if drift.untested or drift.drops:
            found.append(drift)
    return found


def latest_batches(snapshot: Snapshot) -> set[str]:
    """Ids of each source's last batches, as many as together have rows enough to say something about shares."""
    files = snapshot.files(INGEST_BATCHES)
    names = ["ingest_batch_id", "source", "rows_out", "records_in", "started_at"]
    rows = [row for file in files for row in pq.read_table(file, columns=names, partitioning=None).to_pylist()]
    held: dict[str, int] = {}
    found = set()
    for row in sorted(rows, key=lambda row: (row["started_at"], row["ingest_batch_id"]), reverse=True):
        if row["records_in"] and held.get(row["source"], 0) < MIN_ROWS:
            held[row["source"]] = held.get(row["source"], 0) + row["rows_out"]
            found.add(row["ingest_batch_id"])
    return found


def _large_enough(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Batches with rows enough, and the smaller ones of each source as one, named by the last of them."""
    small: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["rows_out"] < MIN_ROWS:
            small.setdefault(row["source"], []).append(row)
    together = [
        {
            **some[-1],
            "rows_out": sum(row["rows_out"] for row in some),
            "field_coverage": msgspec.json.encode(_shares(some)),
        }
        for some in small.values()
    ]
    return [*(row for row in rows if row["rows_out"] >= MIN_ROWS), *together]


def _untested(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(PREFIX) for name in _coverage(row) if untested(name)))


def _drops(row: Mapping[str, Any], earlier: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    if row["rows_out"] < MIN_ROWS or sum(old["rows_out"] for old in earlier) < MIN_ROWS:
        return {}
    usual, now = _shares(earlier), _coverage(row)
    columns = (name.removeprefix(COLUMN) for name in sorted(usual) if name.startswith(COLUMN))
    shares = {name: (usual[COLUMN + name], now.get(COLUMN + name, 0.0)) for name in columns}
    return {name: (was, now) for name, (was, now) in shares.items() if was >= USUAL and now < KEPT * was}


def _shares(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Share of all rows of several batches with each field."""
    n = sum(row["rows_out"] for row in rows)
    found: dict[str, float] = {}
    for row in rows:
        for name, share in _coverage(row).items():
            found[name] = found.get(name, 0.0) + (share * row["rows_out"] / n if n else 0.0)
    return found


def _coverage(row: Mapping[str, Any]) -> dict[str, float]:
    return msgspec.json.decode(row["field_coverage"], type=dict[str, float])

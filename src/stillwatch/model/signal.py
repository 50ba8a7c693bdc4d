"""A signal: one question asked of every group of slices at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from stillwatch.model.table import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir


class EvidenceKind(StrEnum):
    """What of the telemetry a signal rests on: a deployment that does not store it has none of these signals."""

    ACCOUNTS = "accounts"
    PROMPTS = "prompts"
    TIMES = "times"
    VOLUMES = "volumes"


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured property of a group. Its prose is published in documentation, reports and dossiers.

    `compute` receives the tables in `reads` by name and returns an expression with the columns
    `group_id, value, conservative_value, n`, at most one row a group; a group without a row has no evidence.
    `conservative_value` is the end of the uncertainty interval that accuses least, oriented so that higher is more
    suspicious; it is finite or null.
    """

    name: str
    question: str
    unit: str
    high_means: str
    innocent_cause: str
    evidence: EvidenceKind
    source: str
    reads: tuple[Table, ...]
    compute: Callable[[Mapping[str, "ir.Table"]], "ir.Table"]

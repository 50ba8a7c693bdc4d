"""Results: columns in Arrow, handed out as what the caller works with, and shown as inert text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from stillwatch.model.inert import visible

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

ROWS_SHOWN: Final = 20
"""Rows that a notebook shows of a result: about a screen."""
CELL_SHOWN: Final = 120
"""Characters shown of one cell; what is cut off is marked."""

LARGEST_COUNT: Final = 1 << 40
"""Whole numbers from here on are names of tokens, not quantities, and are written without separators."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A result: columns in Arrow. Any library that reads the Arrow C stream takes it as it is."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<{len(self):,} rows: {', '.join(self.table.column_names)}>"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        """The first rows as an HTML table for a notebook: every value as inert, escaped text."""
        shown = self.table.slice(0, ROWS_SHOWN)
        caption = f"{shown.num_rows:,} of {len(self):,} rows"
        return html_table(shown.column_names, [list(row.values()) for row in shown.to_pylist()], caption=caption)

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def to_pandas(self) -> "pd.DataFrame":
        """The rows as a pandas frame."""
        return self.table.to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """The rows as a polars frame (needs the `notebook` extra)."""
        import polars

        frame = polars.from_arrow(self.table)
        return frame if isinstance(frame, polars.DataFrame) else frame.to_frame()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that stands against, and for, one account: its finding, its campaign and the slices behind both."""

    account_id: str
    finding: dict[str, object] | None
    campaign: dict[str, object] | None
    slices: list[dict[str, object]] = field(default_factory=list)
    indicators: list[dict[str, object]] = field(default_factory=list)
    """Indicators of peers that name something the account sends or comes from. Being named is no finding."""

    def __repr__(self) -> str:
        if self.finding is None:
            return f"<{self.account_id!r}: nothing was found>"
        return f"<{self.account_id!r}: tier {self.finding['tier']}, campaign {self.finding['campaign_id']}>"

    def _repr_html_(self) -> str:
        """Finding, campaign and slices as HTML tables for a notebook: every value as inert, escaped text."""
        if self.finding is None:
            return f"<p>{shown(self.account_id)}: nothing was found against this account in this run.</p>"
        parts = [html_table(["field", "value"], list(self.finding.items()), caption="finding")]
        if self.campaign is not None:
            parts.append(html_table(["field", "value"], list(self.campaign.items()), caption="its campaign"))
        names = ["token_kind", "token", "n", "first_seen_at", "last_seen_at"]
        rows = [[row[name] for name in names] for row in self.slices]
        parts.append(html_table(names, rows, caption="evidence: slices of this account"))
        return "".join(parts)


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str) -> str:
    """An HTML table without script or style; all text is escaped, control and bidirectional characters spelled out."""
    head = "".join(f"<th>{shown(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{shown(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><caption>{shown(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: object) -> str:
    """A value as escaped, inert text of at most CELL_SHOWN characters, as a person reads it."""
    text = visible(said(value))
    return escape(text if len(text) <= CELL_SHOWN else f"{text[:CELL_SHOWN]}…")


def said(value: object) -> str:
    """A value as a person reads it: times in UTC to the minute, three digits of a fraction, nothing for null."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int) and abs(value) < LARGEST_COUNT:
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(said(part) for part in value)
    return "" if value is None else str(value)

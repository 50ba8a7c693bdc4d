"""What a suite says: tables, bars for a plot, failed demands; as Markdown and as JSON."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from stillwatch.evaluate.outcomes import Part

Cell = str | int | float


class Table(msgspec.Struct, frozen=True):
    """A table of figures; numbers stand to the right, shares have three digits."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One share with its interval and the goal for it (None: reported only), which is a least or a greatest value."""

    name: str
    value: float
    low: float
    high: float
    goal: float | None = None
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the share reaches its goal, or stays under it; true without a goal."""
        if self.goal is None:
            return True
        return self.value <= self.goal if self.is_ceiling else self.value >= self.goal


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a suite. `failures` are the demands that are not met, `notes` what was not or cannot be done."""

    tables: tuple[Table, ...]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A suite's answer with all that is needed to get it again; `commit` is empty outside of a checkout.

    `parts` are what each seed gave.
    """

    suite: str
    question: str
    alpha: float
    calibration_id: str
    commit: str
    n_accounts: int
    seeds: tuple[int, ...]
    body: Body
    parts: tuple[Part, ...]

    @property
    def passes(self) -> bool:
        """Whether every demand of the suite is met."""
        return not self.body.failures

    def to_json(self) -> str:
        """Everything as JSON."""
        return msgspec.json.format(msgspec.json.encode(self)).decode() + "\n"

    def to_markdown(self) -> str:
        """Tables, notes, and one sentence for each demand that is not met."""
        body = self.body
        said = [f"FAILS: {sentence}" for sentence in body.failures] or ["All demands of the suite are met."]
        blocks = [self._title(), self.question, *(_markdown(table) for table in body.tables), *body.notes]
        return "\n\n".join([*blocks, "\n".join(said)])

    def _title(self) -> str:
        where = f", commit {self.commit}" if self.commit else ""
        return (
            f"Suite {self.suite}: alpha {self.alpha:g}, seeds {', '.join(map(str, self.seeds))}, {self.n_accounts} "
            f"honest accounts a world, calibration {self.calibration_id[:12]}{where}."
        )


def _markdown(table: Table) -> str:
    is_number = [all(isinstance(row[place], int | float) for row in table.rows) for place in range(len(table.columns))]
    rule = " | ".join("---:" if right else "---" for right in is_number)
    lines = [_line(table.columns), f"| {rule} |", *(_line(row) for row in table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines])


def _line(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in cells)} |"


def commit_of_checkout() -> str:
    """Short hash of the checkout that this package runs from, with `+` where it was changed; empty elsewhere."""
    here = Path(__file__).parent
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"],  # noqa: S607
            cwd=here, capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""

"""What became of honest people over all worlds of a suite: tables by class, the bound, and failures."""

from collections.abc import Sequence
from typing import Final

from stillwatch.evaluate.labels import ORDINARY
from stillwatch.evaluate.outcomes import ClassRow, Part
from stillwatch.evaluate.report import Table
from stillwatch.scoring import Calibration
from stillwatch.scoring.verdict import false_people_bound
from stillwatch.stats.intervals import clopper_pearson

MAX_CLASS_SHARE: Final = 0.02
"""A class of look-alikes may have this share of its groups accused (issue 3, what it must show)."""


def class_table(parts: Sequence[Part]) -> Table:
    """Honest classes in groups and in people."""
    columns = (
        "honest class", "groups", "accused", "95 % interval", "reviewed", "people", "people accused",
        "people reviewed", "managed",
    )  # fmt: skip
    return Table("Honest classes", columns, tuple(_row(name, rows) for name, rows in by_class(parts).items()))


def _row(name: str, rows: Sequence[ClassRow]) -> tuple[str | int, ...]:
    n, hit = sum(row.n_groups for row in rows), sum(row.n_groups_accused for row in rows)
    low, high = clopper_pearson(hit, n)
    reviewed = sum(row.n_groups_reviewed for row in rows)
    fields = ("n_people", "n_people_accused", "n_people_reviewed", "n_managed")
    return (name, n, hit, f"{low:.4f} to {high:.4f}", reviewed, *(sum(getattr(r, f) for r in rows) for f in fields))


def by_class(parts: Sequence[Part]) -> dict[str, list[ClassRow]]:
    """The rows of each honest class over all worlds, by name."""
    rows = [row for part in parts for row in part.classes]
    return {name: [row for row in rows if row.honest_class == name] for name in sorted({r.honest_class for r in rows})}


def class_failures(parts: Sequence[Part]) -> list[str]:
    """The look-alike classes of which too many groups were accused, as sentences."""
    found = []
    for name, rows in by_class(parts).items():
        n, hit = sum(row.n_groups for row in rows), sum(row.n_groups_accused for row in rows)
        if name != ORDINARY and hit > MAX_CLASS_SHARE * n:
            found.append(f"{name}: {hit} of {n} groups accused, above {MAX_CLASS_SHARE:.0%}")
    return found


def false_share_bound(parts: Sequence[Part], calibration: Calibration) -> float:
    """Upper 95 % bound on the share of honest people accused in a window; 1 without a window."""
    n_windows, n_people = sum(part.n_windows for part in parts), sum(part.n_honest for part in parts)
    if not n_windows or not n_people:
        return 1.0
    n_groups = sum(row.n_groups_accused for part in parts for row in part.classes)
    return min(false_people_bound(n_groups, n_windows, calibration.size_q95) / (n_people / n_windows), 1.0)


def people_note(parts: Sequence[Part], calibration: Calibration) -> str:
    """False accusations in people over all worlds, and the bound on them for one window."""
    n_windows = sum(part.n_windows for part in parts)
    n_groups = sum(row.n_groups_accused for part in parts for row in part.classes)
    n_people, n_accused = sum(part.n_honest for part in parts), sum(part.n_honest_accused for part in parts)
    bound = false_people_bound(n_groups, max(n_windows, 1), calibration.size_q95)
    return (
        f"Honest people accused: {n_accused} of {n_people} in {n_windows} windows ({n_groups} groups); at most "
        f"{bound:.0f} a window with 95 % confidence (Poisson bound on groups x {calibration.size_q95:.0f} accounts)."
    )

"""All suites as one: the goals that were set for detection, beside what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from stillwatch.evaluate.delay import EVENTS
from stillwatch.evaluate.frontier import COMBINATIONS, KNOBS, SIZES
from stillwatch.evaluate.innocents import false_share_bound
from stillwatch.evaluate.recall import MAX_PIECES, MIN_PURITY, Case, pieces_of, purity_of
from stillwatch.evaluate.report import Bar, Body, Report, Table
from stillwatch.evaluate.suite import Bench

NAME: Final = "full"
QUESTION: Final = "What was to be shown, and what is?"
MAX_FALSE_SHARE: Final = 1e-4
"""Upper 95 % bound on the share of honest people accused in a window (issue 3, what it must show)."""
ANY_KNOB: Final = 0.95
"""Recall wanted under any single evasion (issue 3, what it must show)."""
WHOLE_WORLDS: Final = ("quick", "frontier")
"""Suites whose worlds are judged as they are, at the alpha of the settings: their honest people count for the bound."""
NOT_MEASURED: Final = (
    "Not measured by suites: left-out classes (`python -m stillwatch.evaluate.ship` writes them), campaigns of 25,000 "
    "accounts, and run times (`benchmarks/`)."
)


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure, what was set for it, what was measured, and whether that is enough."""

    figure: str
    goal: str
    measured: str
    is_met: bool


def full(reports: Mapping[str, Report], bench: Bench) -> Report:
    """The goals and whether they are met, and the demands of every suite that are not, as one more report.

    `reports` maps the name of a suite to its report and holds at least one; a goal that no suite of them measures is
    left out.
    """
    people = [_people_goal(reports, bench)] if any(name in reports for name in WHOLE_WORLDS) else []
    goals = [*_goals(reports), *people]
    first = next(iter(reports.values()))
    failures = [f"{name}: {sentence}" for name, report in reports.items() for sentence in report.body.failures]
    failures += [f"{goal.figure}: {goal.measured}, wanted {goal.goal}" for goal in people if not goal.is_met]
    rows = tuple((goal.figure, goal.goal, goal.measured, "yes" if goal.is_met else "no") for goal in goals)
    suites = tuple((name, len(report.seeds), len(report.body.failures)) for name, report in reports.items())
    body = Body(
        tables=(
            Table("Goals", ("figure", "goal", "measured", "met"), rows),
            Table("Suites", ("suite", "seeds", "demands not met"), suites),
        ),
        failures=tuple(failures),
        notes=(NOT_MEASURED,),
    )
    return msgspec.structs.replace(
        first,
        suite=NAME,
        question="What was to be shown, and what is?",
        body=body,
        parts=(),
        n_accounts=bench.n_accounts,
    )


def _goals(reports: Mapping[str, Report]) -> Iterator[Goal]:
    """The goals that these suites measure, but that in people, which several measure together."""
    if "frontier" in reports:
        yield from _recall_goals(reports["frontier"].body.bars)
        yield from _shape_goals(reports["frontier"])
    if "missing" in reports:
        bars = [bar for bar in reports["missing"].body.bars if not bar.name.startswith(("everything", "no accounts"))]
        yield _least("any one of text, infrastructure, timing missing, FPR 1e-3", bars, 0.8)
    if "framing" in reports:
        n = sum(int(row[2]) for row in reports["framing"].body.tables[0].rows)
        yield Goal("honest adopters accused under framing", "0", str(n), n == 0)
    if "delay" in reports:
        yield from _delay_goals(reports["delay"].body.bars)
    if "alarm" in reports:
        (bar,) = reports["alarm"].body.bars
        said = f"{bar.value:.2f} (at most {bar.high:.2f} with 95 % confidence)"
        yield Goal(bar.name, "1 or fewer", said, not reports["alarm"].body.failures)
    if "successors" in reports:
        bars = list(reports["successors"].body.bars)
        yield _least("replacements linked at the next daily run", bars, 0.8)


def _recall_goals(bars: Sequence[Bar]) -> Iterator[Goal]:
    by_name = {bar.name: bar for bar in bars}
    dilutions = [case for case in KNOBS if case.name.startswith("dilution")]
    others = [case for case in KNOBS if case not in dilutions and case.wanted == ANY_KNOB]
    named = [case for case in (*KNOBS, *COMBINATIONS) if case not in dilutions and case not in others]
    for case in (*SIZES, *dilutions, *named):
        yield _case_goal(case, by_name[case.name])
    yield _least("any single other evasion", [by_name[case.name] for case in others], ANY_KNOB)


def _case_goal(case: Case, bar: Bar) -> Goal:
    goal = "report" if case.wanted is None else f"{case.wanted:g} or more"
    return Goal(f"recall, {case.name}", goal, f"{bar.value:.3f} ({bar.low:.3f} to {bar.high:.3f})", bar.is_met)


def _least(figure: str, bars: Sequence[Bar], goal: float) -> Goal:
    """The goal for the worst of several shares."""
    worst = min(bars, key=lambda bar: bar.value)
    return Goal(figure, f"{goal:g} or more", f"{worst.value:.3f} ({worst.name})", worst.value >= goal)


def _shape_goals(report: Report) -> Iterator[Goal]:
    fates = [fate for part in report.parts for fate in part.fates]
    purity, pieces = purity_of(fates), pieces_of(fates)
    yield Goal("purity of found campaigns", f"{MIN_PURITY:g} or more", f"{purity:.3f}", purity >= MIN_PURITY)
    yield Goal("pieces of a campaign", f"{MAX_PIECES:g} or fewer", f"{pieces:.2f}", pieces <= MAX_PIECES)


def _people_goal(reports: Mapping[str, Report], bench: Bench) -> Goal:
    parts = [part for name in WHOLE_WORLDS if name in reports for part in reports[name].parts]
    bound, n = false_share_bound(parts, bench.calibration), sum(part.n_honest for part in parts)
    figure = f"honest people accused, upper 95 % bound over {n:,} account-windows"
    return Goal(figure, f"{MAX_FALSE_SHARE:g} or less over 8,000,000", f"{bound:.2g}", bound <= MAX_FALSE_SHARE)


def _delay_goals(bars: Sequence[Bar]) -> Iterator[Goal]:
    for _, said, limit in EVENTS:
        if limit is not None:
            late = max((bar for bar in bars if said in bar.name and bar.goal is not None), key=lambda bar: bar.value)
            yield Goal(f"served at: {said}", f"{limit:g} or less", f"{late.value:.3f}", late.is_met)

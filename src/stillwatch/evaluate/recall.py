"""Recall of planted campaigns over seeds: cases with goals, worlds that hold several cases, tables and failures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stillwatch.evaluate.outcomes import Fate, Part, campaign_fate
from stillwatch.evaluate.report import Bar, Table
from stillwatch.evaluate.suite import Bench
from stillwatch.evaluate.worlds import Judged, build_scene, judge
from stillwatch.simulate import Campaign
from stillwatch.stats.intervals import clopper_pearson

MAX_PLANTED: Final = 2_600
"""Campaign accounts in one world: more would be above a tenth of its people, and need much memory."""
SEEDS_PER_SEED: Final = 1_000
N_RESAMPLES: Final = 2_000
MIN_PURITY: Final = 0.95
MAX_PIECES: Final = 1.2
"""Goals for found campaigns (issue 3, what it must show)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One planted campaign, the recall that it must reach in the mean over seeds (None: reported), and its price.

    `price` says what the evasion costs whoever runs the campaign; `factor` is how many times as much of it they need
    for the same harvest, where that can be said.
    """

    campaign: Campaign
    wanted: float | None
    price: str = ""
    factor: float | None = None

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.campaign.name


def worlds_of(cases: Sequence[Case], *, max_planted: int = MAX_PLANTED) -> Iterator[list[Case]]:
    """The cases in order, as many to a world as fit; a case above the limit has a world of its own.

    Campaigns have no token in common (the simulator gives each its own), so they do not help one another.
    """
    held: list[Case] = []
    for case in cases:
        if held and sum(other.campaign.n_accounts for other in held) + case.campaign.n_accounts > max_planted:
            yield held
            held = []
        held.append(case)
    if held:
        yield held


def judged_cases(cases: Sequence[Case], seed: int, bench: Bench) -> tuple[list[Judged], list[Fate]]:
    """The judged worlds that hold these cases, and the fate of each case."""
    worlds, fates = [], []
    for number, held in enumerate(worlds_of(cases)):
        scene = build_scene(bench.world([case.campaign for case in held]), seed=world_seed(seed, number))
        judged = judge(scene, bench.calibration, engine=bench.engine, config=bench.config)
        worlds.append(judged)
        fates += [campaign_fate(judged, case.name) for case in held]
    return worlds, fates


def world_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th world of a suite's seed: no two worlds have the same honest people."""
    return seed if number == 0 else seed * SEEDS_PER_SEED + number


def fates_of(parts: Sequence[Part], case: str) -> list[Fate]:
    """The fates of one case, by seed."""
    return [fate for part in parts for fate in part.fates if fate.case == case]


def mean_recall(fates: Sequence[Fate]) -> float:
    """Mean over seeds of the share of accused accounts; 0 without a seed."""
    return float(np.mean([fate.recall for fate in fates])) if fates else 0.0


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of shares over seeds, by resampling seeds.

    One seed says nothing about others: (0, 1). Assumes that seeds are exchangeable. Equal values give an interval
    without width, which does not mean certainty: the number of seeds that reach the goal is printed beside it.
    """
    if len(values) < 2:
        return 0.0, 1.0
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), (N_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def recall_table(title: str, cases: Sequence[Case], parts: Sequence[Part]) -> Table:
    """Each case with its recall, interval, worst seed, goal, and how the campaign was cut into findings."""
    columns = (
        "campaign", "accounts", "accused, mean of seeds", "95 % interval", "worst seed", "seeds at goal",
        "flagged at all", "pieces", "purity", "goal",
    )  # fmt: skip
    return Table(title, columns, tuple(_recall_row(case, fates_of(parts, case.name)) for case in cases))


def _recall_row(case: Case, fates: Sequence[Fate]) -> tuple[str | int | float, ...]:
    low, high = bootstrap_interval([fate.recall for fate in fates])
    return (
        case.name,
        case.campaign.n_accounts * case.campaign.generations,
        mean_recall(fates),
        f"{low:.3f} to {high:.3f}",
        min((fate.recall for fate in fates), default=0.0),
        _at_goal(case, fates),
        float(np.mean([fate.flagged for fate in fates] or [0.0])),
        pieces_of(fates),
        purity_of(fates),
        "report" if case.wanted is None else str(case.wanted),
    )


def _at_goal(case: Case, fates: Sequence[Fate]) -> str:
    """How many seeds reach the goal, with an exact interval of that share."""
    if case.wanted is None:
        return ""
    n = sum(fate.recall >= case.wanted for fate in fates)
    low, high = clopper_pearson(n, len(fates))
    return f"{n} of {len(fates)} ({low:.2f} to {high:.2f})"


def pieces_of(fates: Sequence[Fate]) -> float:
    """Found campaigns for each planted one that was found at all; 0 where none was."""
    found = [fate.n_pieces for fate in fates if fate.n_pieces]
    return float(np.mean(found)) if found else 0.0


def purity_of(fates: Sequence[Fate]) -> float:
    """Share of the accounts in found campaigns that belong to the planted ones; 1 where nothing was found."""
    inside, others = sum(fate.n_gathered for fate in fates), sum(fate.n_strangers for fate in fates)
    return inside / (inside + others) if inside + others else 1.0


def recall_failures(cases: Sequence[Case], parts: Sequence[Part]) -> list[str]:
    """The cases whose mean recall is below the goal, as sentences."""
    found = []
    for case in cases:
        recall = mean_recall(fates_of(parts, case.name))
        if case.wanted is not None and recall < case.wanted:
            found.append(f"{case.name}: mean recall {recall:.3f} is below {case.wanted}")
    return found


def shape_failures(cases: Sequence[Case], parts: Sequence[Part]) -> list[str]:
    """Whether found campaigns are pure and whole, over all cases together, as sentences."""
    fates = [fate for case in cases for fate in fates_of(parts, case.name)]
    purity, pieces = purity_of(fates), pieces_of(fates)
    found = [f"purity of found campaigns {purity:.3f} is below {MIN_PURITY}"] if purity < MIN_PURITY else []
    if pieces > MAX_PIECES:
        found.append(f"a found campaign lies in {pieces:.2f} pieces on average, more than {MAX_PIECES}")
    return found


def recall_bars(cases: Sequence[Case], parts: Sequence[Part]) -> tuple[Bar, ...]:
    """The recall of each case for a plot."""
    bars = []
    for case in cases:
        fates = fates_of(parts, case.name)
        low, high = bootstrap_interval([fate.recall for fate in fates])
        bars.append(Bar(name=case.name, value=mean_recall(fates), low=low, high=high, goal=case.wanted))
    return tuple(bars)

"""The suite `detector`: what a certified alarm would cost in delay, and whether its certificate holds.

The *e-detector* looks at each day once: the best score of a group that could be accused, from that day's exchanges
alone, ranked among quiet days of other worlds (see `stats.e_process`). Null hypothesis: given the days before, a day of
this provider is exchangeable with those. That leaves out what persists in one provider, whose days are then not fresh
draws, and providers of another size, whose best of more groups is higher; the quiet days measure the first. Beside it
stands the *daily run* of the suite `alarm`, which nothing certifies.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluate.alarm import (
    N_ACCOUNTS,
    N_DAYS,
    N_WORLDS,
    RATE_COLUMNS,
    SEEDS_APART,
    YEAR,
    Watch,
    quiet_worlds,
    rate_row,
)
from stillwatch.evaluate.blocks import MARK_DIGITS, best_scores, side_by_side
from stillwatch.evaluate.delay import CAMPAIGN_DAYS, HISTORY_DAYS, NEVER, members
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, build_scene
from stillwatch.model.tier import Tier
from stillwatch.simulate import Campaign
from stillwatch.stats.conformal import FloatArray, conformal_p
from stillwatch.stats.e_process import alarms, e_values

N_PLANTED: Final = 5
"""Worlds of a seed with a campaign, for the delay."""
CAMPAIGN: Final = Campaign(name="base500", n_accounts=500, start_day=HISTORY_DAYS)


def measure(seed: int, bench: Bench) -> Part:
    """The days of quiet worlds; and worlds with a campaign each, run daily until all are accused."""
    seeds = [SEEDS_APART * seed + number for number in range(N_PLANTED)]
    planted = [build_scene(bench.world((CAMPAIGN,), n_days=N_DAYS), seed=world) for world in seeds]
    values = days_to_accusation(planted, bench)
    values |= day_scores("planted", planted, bench) | day_scores("quiet", quiet_worlds(seed, bench), bench)
    return Part(seed=seed, values=values, n_windows=N_WORLDS * CAMPAIGN_DAYS)


def days_to_accusation(scenes: Sequence[Scene], bench: Bench) -> dict[str, float]:
    """Share of each world's campaign served at the first daily run that reviewed, and that accused, a member.

    Keys `NUMBER review`, `NUMBER accuse`, and `NUMBER served DAY` for the share served by the end of each day.
    """
    together = side_by_side(scenes)
    watch, waiting = Watch(together, bench), set(range(len(scenes)))
    served = [served_by_day(scene, members(scene, CAMPAIGN.name)) for scene in scenes]
    values = {
        f"{number} served {day}": share
        for number, shares in enumerate(served)
        for day, share in enumerate(shares, start=1)
    }
    planted = members(together, CAMPAIGN.name)
    for day in range(1, CAMPAIGN_DAYS + 1):
        bench.progress("planted days", day - 1, CAMPAIGN_DAYS)
        _, findings = watch.run(day)
        named = findings.filter(pc.is_in(findings["account_id"], value_set=planted))
        for number, tier in set(zip(_numbers(named), named["tier"].to_pylist(), strict=True)):
            values.setdefault(f"{number} {tier}", served[number][day - 1])
            waiting -= {number} if tier == Tier.ACCUSE.value else set()
        if not waiting:
            break
    return values


def _numbers(rows: pa.Table) -> list[int]:
    """The number of the scene that each account is of."""
    return [int(name[:MARK_DIGITS]) for name in rows["account_id"].to_pylist()]


def served_by_day(scene: Scene, accounts: pa.Array) -> list[float]:
    """Share of these accounts' exchanges that lies before the end of each day from the campaign's start on."""
    rows = scene.account_days.filter(pc.is_in(scene.account_days["account_id"], value_set=accounts))
    ends = [scene.window.start.date() + timedelta(days=HISTORY_DAYS + day) for day in range(1, CAMPAIGN_DAYS + 1)]
    total = max(pc.sum(rows["n"]).as_py() or 0, 1)
    return [(pc.sum(rows.filter(pc.less(rows["day"], end))["n"]).as_py() or 0) / total for end in ends]


def day_scores(name: str, scenes: Sequence[Scene], bench: Bench) -> dict[str, float]:
    """Best score of each world's days from the first after the history on; the lowest float stands for "no group"."""
    bench.progress(f"{name} days", 0, 1)
    blocks = [(scene, day) for scene in scenes for day in range(HISTORY_DAYS, N_DAYS)]
    best = best_scores(blocks, bench.calibration, engine=bench.engine, config=bench.config)
    finite = np.maximum(best, np.finfo(np.float64).min).reshape(len(scenes), CAMPAIGN_DAYS)
    return {
        f"{name} {number} day {day}": float(score)
        for number, scores in enumerate(finite)
        for day, score in enumerate(scores, start=1)
    }


def detector_alarms(parts: Sequence[Part], name: str) -> list[tuple[FloatArray, list[int]]]:
    """E-values of each world's days, and the days (from 1) of the detector's alarms, in the order of parts and worlds.

    Days are ranked among the quiet days of all other worlds; those of the quiet world with the same seed are left out.
    """
    quiet = _worlds(parts, "quiet")
    found = []
    for world, scores in _worlds(parts, name).items():
        reference = np.concatenate([np.zeros(0), *(days for other, days in quiet.items() if other != world)])
        evidence = e_values(conformal_p(scores, reference))
        found.append((evidence, (alarms(evidence, mean_blocks=YEAR) + 1).tolist()))
    return found


def _worlds(parts: Sequence[Part], name: str) -> dict[tuple[int, int], FloatArray]:
    """The kept scores of each world's days, in order, by seed and number."""
    return {
        (part.seed, number): np.array(
            [part.values[f"{name} {number} day {day}"] for day in range(1, CAMPAIGN_DAYS + 1)]
        )
        for part in parts
        for number in range(N_WORLDS)
        if f"{name} {number} day 1" in part.values
    }


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """Alarms a year on quiet days, and the delay of both alarms."""
    n_days = sum(part.n_windows for part in parts)
    quiet = detector_alarms(parts, "quiet")
    evidence = np.concatenate([values for values, _ in quiet])
    n_seen = sum(len(days) for _, days in quiet)
    row = rate_row("alarm of the e-detector", n_seen, n_days)
    reading = (
        f"E-values of quiet days have a mean of {evidence.mean():.2f} (at most 1 where days are exchangeable). The "
        f"detector alarms at {YEAR}: where they are, so many quiet days or more lie between two alarms on average."
    )
    failures = (f"the e-detector alarms {row[2]:.2f} times in {YEAR} quiet days, more than 1",) if row[2] > 1 else ()
    table = Table(f"Quiet worlds: {n_days} provider-days", RATE_COLUMNS, (row,))
    return Body(tables=(table, delay_table(parts)), failures=failures, notes=(reading,))


def delay_table(parts: Sequence[Part]) -> Table:
    """Share of the campaign served at each alarm, over the worlds that have one."""
    worlds = [(part, number) for part in parts for number in range(N_WORLDS) if f"{number} served 1" in part.values]
    shares = {
        f"daily run: first account {said}": [
            part.values.get(f"{number} {tier.value}", NEVER) for part, number in worlds
        ]
        for tier, said in ((Tier.REVIEW, "flagged"), (Tier.ACCUSE, "accused"))
    }
    shares["e-detector"] = [
        part.values[f"{number} served {days[0]}"] if days else NEVER
        for (part, number), (_, days) in zip(worlds, detector_alarms(parts, "planted"), strict=True)
    ]
    return Table(
        f"{CAMPAIGN.name}: share served at the first alarm, {len(worlds)} worlds",
        ("alarm", "median of worlds", "worst world"),
        tuple((name, float(np.median(served)), max(served)) for name, served in shares.items()),
    )


SUITE: Final = Suite(
    name="detector",
    question="What does a certified alarm cost in delay, and does its certificate hold?",
    measure=measure,
    report=report,
    seeds=(9501, 9502),
    n_accounts=N_ACCOUNTS,
)

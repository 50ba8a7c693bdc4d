"""The suite `exposure`."""

from stillwatch.evaluate.exposed import CASES, SUITE, report, taken
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.suite import Bench
from stillwatch.simulate import Campaign, HonestMix, World


def part(truth: float, low: float, high: float, *, found: bool = True) -> Part:
    values: dict[str, float] = {}
    for case in CASES:
        for quantity in ("exchanges", "output_tokens"):
            name = f"{case.campaign.name} {quantity}"
            values[f"{name} truth"] = truth
            if found:
                values |= {f"{name}_low": low, name: (low + high) / 2, f"{name}_high": high}
    return Part(seed=9001, values=values)


def test_a_truth_outside_of_the_interval_fails_the_cases_with_a_goal(bench: Bench) -> None:
    body = report([part(10, 11, 12), part(10, 9, 12)], bench)
    assert len(body.failures) == 2 * sum(case.has_goal for case in CASES)
    assert {row[5] for row in body.tables[0].rows} == {0.5}


def test_runs_that_found_nothing_are_counted_apart(bench: Bench) -> None:
    body = report([part(10, 9, 12), part(10, 9, 12, found=False)], bench)
    assert not body.failures
    assert {row[2:6] for row in body.tables[0].rows} == {(2, 1, 1, 1.0)}


def test_the_truth_leaves_cover_out() -> None:
    def of(dilution: float) -> float:
        campaign = Campaign(name="one", n_accounts=20, exchanges_per_day=10.0, dilution=dilution)
        world = World(honest=HonestMix(n_accounts=50, n_frameworks=12), campaigns=(campaign,), n_days=3)
        return taken(world, 9001)["exchanges"]

    assert 0.05 < of(0.9) / of(0.0) < 0.2


def test_the_suite_looks_at_every_dilution_that_has_a_goal() -> None:
    assert {case.campaign.dilution for case in CASES if case.has_goal} == {0.0, 0.5, 0.95}
    assert len(SUITE.seeds) >= 20

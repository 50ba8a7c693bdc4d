"""The suite `quick`: recall of planted campaigns and false accusations in people, on worlds not calibrated on."""

from collections.abc import Sequence
from typing import Final

from stillwatch.evaluate.innocents import class_failures, class_table, people_note
from stillwatch.evaluate.outcomes import Part, popular_tokens_accused
from stillwatch.evaluate.recall import Case, judged_cases, recall_bars, recall_failures, recall_table
from stillwatch.evaluate.report import Body
from stillwatch.evaluate.suite import Bench, Suite, honest_part
from stillwatch.simulate import Campaign

CASES: Final = (
    Case(Campaign(name="base50", n_accounts=50), 0.99),
    Case(Campaign(name="base500", n_accounts=500), 0.99),
    Case(Campaign(name="diluted50", n_accounts=50, dilution=0.9), 0.95),
    Case(Campaign(name="diluted500", n_accounts=500, dilution=0.9), 0.95),
)


def measure(seed: int, bench: Bench) -> Part:
    """One world with all cases."""
    worlds, fates = judged_cases(CASES, seed, bench)
    accused = [popular_tokens_accused(judged) for judged in worlds]
    n_popular, n_hit = sum(len(hits) for hits in accused), sum(int(hits.sum()) for hits in accused)
    return honest_part(seed, worlds, fates, popular_tokens=n_popular, popular_tokens_accused=n_hit)


def report(parts: Sequence[Part], bench: Bench) -> Body:
    """Campaigns, honest classes in groups and people, popular tokens."""
    n_popular, n_hit = (
        int(sum(part.values[name] for part in parts)) for name in ("popular_tokens", "popular_tokens_accused")
    )
    whole = [f"{n_hit} popular tokens were accused as a whole"] if n_hit else []
    return Body(
        tables=(recall_table("Campaigns", CASES, parts), class_table(parts)),
        failures=(*recall_failures(CASES, parts), *class_failures(parts), *whole),
        notes=(
            people_note(parts, bench.calibration),
            f"Popular tokens accused as a whole: {n_hit} of {n_popular}.",
        ),
        bars=recall_bars(CASES, parts),
    )


SUITE: Final = Suite(
    name="quick",
    question="Are plain and diluted campaigns accused, and nobody else?",
    measure=measure,
    report=report,
)

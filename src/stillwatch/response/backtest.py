"""What a policy would have done on past days, had all of its rules been enforced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillwatch.response.plan import Facts
from stillwatch.response.policy import Policy, Rule, duration
from stillwatch.response.rules import Case, first_match

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PastRun:
    """What an earlier detection run found. `facts.managed` and the honest sets are those of today."""

    as_of: datetime
    facts: Facts


@dataclass(frozen=True, slots=True)
class Replayed:
    """One replayed run: accounts that rules matched, those newly touched, and those left alone by limit or manager.

    `n_later_honest` counts newly touched accounts that a person judged honest since; who was never judged is not in it,
    so it is a floor of the false accusations. `share_per_hour` is of the run's customers, over the hour that ends here.
    """

    run_id: str
    as_of: datetime
    n_customers: int
    n_matched: int
    n_touched: int
    n_held_by_cap: int
    n_managed: int
    n_later_honest: int
    share_per_hour: float


@dataclass(frozen=True, slots=True)
class BackTest:
    """The replayed runs, earliest first, and the distinct accounts over all of them."""

    runs: tuple[Replayed, ...]
    n_touched: int
    n_later_honest: int

    @property
    def peak_share_per_hour(self) -> float:
        """The largest share of customers that any hour would have touched; 0 without runs."""
        return max((run.share_per_hour for run in self.runs), default=0.0)

    @property
    def honest_share(self) -> float | None:
        """Share of the touched who were judged honest later; None when nobody would have been touched."""
        return self.n_later_honest / self.n_touched if self.n_touched else None


def back_test(policy: Policy, runs: Sequence[PastRun]) -> BackTest:
    """Replay the findings of past runs, earliest first, under the policy's rules, cap and expiry.

    Every rule counts as enforced, so that a draft in dry_run shows what it would come to. First-request rules are not
    replayed: which tokens were exclusive on a past day is not stored.
    """
    touches: dict[str, _Touch] = {}
    honest: set[str] = set()
    replayed = []
    for run in sorted(runs, key=lambda past: (past.as_of, past.facts.run_id)):
        row, wrong = _replay(policy, run, touches)
        honest |= wrong
        replayed.append(row)
    return BackTest(tuple(replayed), len(touches), len(honest))


@dataclass(frozen=True, slots=True)
class _Touch:
    at: datetime
    expires_at: datetime


def _replay(policy: Policy, run: PastRun, touches: dict[str, _Touch]) -> tuple[Replayed, set[str]]:
    """One run's row and the newly touched who were judged honest since; `touches` takes up the new ones."""
    facts, now = run.facts, run.as_of
    matched = _matched(policy, facts)
    open_to = [(case, rule) for case, rule in matched if case.subject not in facts.managed]
    fresh = [(case, rule) for case, rule in open_to if _is_over(touches.get(case.subject), now)]
    n_recent = sum(now - HOUR < touch.at for touch in touches.values())
    chosen = fresh[: max(0, int(policy.limits.max_share_per_hour * facts.n_customers) - n_recent)]
    for case, rule in chosen:
        touches[case.subject] = _Touch(now, now + duration(rule.expires_after))
    wrong = {case.subject for case, _ in chosen if facts.is_honest(case.account_id, case.campaign_id)}
    row = Replayed(
        run_id=facts.run_id,
        as_of=now,
        n_customers=facts.n_customers,
        n_matched=len(matched),
        n_touched=len(chosen),
        n_held_by_cap=len(fresh) - len(chosen),
        n_managed=len(matched) - len(open_to),
        n_later_honest=len(wrong),
        share_per_hour=(n_recent + len(chosen)) / facts.n_customers if facts.n_customers else 0.0,
    )
    return row, wrong


def _is_over(touch: _Touch | None, now: datetime) -> bool:
    return touch is None or touch.expires_at <= now


def _matched(policy: Policy, facts: Facts) -> list[tuple[Case, Rule]]:
    """Cases with the rule that speaks about them, in the order in which a plan takes them up."""
    found = [(case, rule) for case in facts.accounts if (rule := first_match(policy, case)) is not None]
    place = {rule.name: number for number, rule in enumerate(policy.rules)}
    return sorted(found, key=lambda pair: (place[pair[1].name], -(pair[0].score or 0.0), pair[0].subject))

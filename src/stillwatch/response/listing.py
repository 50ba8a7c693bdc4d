"""A plan and a back-test as rows, for whoever shows them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import pyarrow as pa

from stillwatch.response.backtest import BackTest
from stillwatch.response.plan import Outcome, Plan

PLAN_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("action", pa.string()),
        pa.field("mode", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("campaign_id", pa.string()),
        pa.field("tier", pa.string()),
        pa.field("n_token_kinds", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("why", pa.string(), nullable=False),
    ]
)


def plan_rows(plan: Plan) -> pa.Table:
    """One row a line of the plan, in its order."""
    rows = [
        {
            "subject_id": line.subject_id,
            "outcome": line.outcome.value,
            "action": line.rule.action.value if line.rule else None,
            "mode": line.mode.value if line.mode else None,
            "rule": line.rule.name if line.rule else None,
            "campaign_id": line.case.campaign_id if line.case else None,
            "tier": line.case.tier.value if line.case else None,
            "n_token_kinds": line.case.n_token_kinds if line.case else None,
            "score": line.case.score if line.case else None,
            "why": line.why,
        }
        for line in plan.lines
    ]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def rule_counts(plan: Plan) -> pa.Table:
    """How many lines each rule has of each outcome, in the policy's order; rules without lines are left out."""
    counted = Counter((line.rule.name, line.outcome) for line in plan.lines if line.rule)
    spoken = {rule for rule, _ in counted}
    return pa.Table.from_pylist(
        [
            {"rule": rule.name, "action": rule.action.value, "mode": rule.mode.value}
            | {outcome.value: counted[rule.name, outcome] for outcome in Outcome}
            for rule in plan.policy.rules
            if rule.name in spoken
        ]
    )


def plan_summary(plan: Plan) -> dict[str, object]:
    """What the plan comes to, and who must agree to it."""
    return {
        "policy_digest": plan.policy.digest,
        "run_id": plan.facts.run_id,
        "calibration_id": plan.facts.calibration_id,
        "n_customers": plan.facts.n_customers,
        "n_touched": plan.n_touched,
        "cap_per_hour": plan.cap,
        "n_touched_before": plan.n_touched_before,
        "needs_second": list(plan.needs_second),
        "rules": rule_counts(plan).to_pylist(),
    }


def back_test_summary(past: BackTest) -> Mapping[str, object]:
    """What the policy would have done on earlier runs."""
    return {
        "n_touched": past.n_touched,
        "n_later_honest": past.n_later_honest,
        "honest_share": past.honest_share,
        "peak_share_per_hour": past.peak_share_per_hour,
        "runs": [asdict(run) for run in past.runs],
    }

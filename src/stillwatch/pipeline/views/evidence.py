"""Why a campaign stands: from what its size gives, through what each signal adds or takes away, to its score."""

from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.signals import catalog

OTHERS = "other signals"
BASELINE = "size, volume, tests"


def campaign_evidence(campaign: dict[str, Any], findings: pa.Table) -> dict[str, Any]:
    """The evidence for and against one campaign; `findings` are its rows of ACCOUNT_FINDINGS.

    `steps` go from zero to the score: each has `name`, `contribution`, `start`, `end`, and for signals `p_value` and
    what the signal asks, means and could mean innocently. A negative contribution is counter-evidence. `silent` are
    signals of the catalogue that say nothing about this campaign. `lookalike` is the honest class that comes nearest:
    `point` is the score that 99 % of its groups stay below. `held_back` counts members that carry the campaign's
    tokens and are not accused, by reason.
    """
    held_back = findings["held_back"].drop_null().value_counts().to_pylist()
    return {
        "campaign_id": campaign["campaign_id"],
        "run_id": campaign["run_id"],
        "tier": campaign["tier"],
        "score": campaign["score"],
        "steps": _steps(campaign),
        "silent": [_prose(name) for name in _known() if name not in campaign["signals"]],
        "lookalike": {
            "name": campaign["nearest_lookalike"],
            "margin": campaign["margin"],
            "point": campaign["score"] - campaign["margin"],
        },
        "p_value": campaign["p_value"],
        "q_value": campaign["q_value"],
        "calibration": campaign["calibration"],
        "calibration_id": campaign["calibration_id"],
        "n_accused": int(pc.sum(pc.equal(findings["tier"], "accuse")).as_py() or 0),
        "held_back": {row["values"]: row["counts"] for row in sorted(held_back, key=lambda row: str(row["values"]))},
    }


def _steps(campaign: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [(BASELINE, campaign["baseline"], None)]
    parts += zip(campaign["signals"], campaign["signal_contributions"], campaign["signal_p_values"], strict=True)
    rest = campaign["score"] - sum(part for _, part, _ in parts)
    if abs(rest) > 1e-9:
        parts.append((OTHERS, rest, None))
    ends = list(accumulate(part for _, part, _ in parts))
    return [
        {**_prose(name), "contribution": part, "start": end - part, "end": end, "p_value": p_value,
         "is_counter": part < 0}
        for (name, part, p_value), end in zip(parts, ends, strict=True)
    ]  # fmt: skip


def _known() -> dict[str, Any]:
    return {signal.name: signal for signal in catalog()}


def _prose(name: str) -> dict[str, Any]:
    signal = _known().get(name)
    fields = ("question", "unit", "high_means", "innocent_cause")
    return {"name": name, **{field: None if signal is None else getattr(signal, field) for field in fields}}

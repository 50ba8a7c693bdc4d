"""What the report says, as plain data: the same for HTML and PDF, every text of it inert."""

from typing import Any

from stillwatch.evidence.case import Case, Row
from stillwatch.evidence.report.figures import ALL, figures
from stillwatch.evidence.report.summary import summary
from stillwatch.evidence.report.words import between, inert, moment, money, number, plain_name, prose, short
from stillwatch.model.attribution import Assessment

MEMBERS_SHOWN = 24
VERDICTS = {"accuse": "accusation", "review": "for review"}
SWINGS_SHOWN = 4
"""Of each head; the inputs that move it most."""
PER_CAPABILITY = "capabilities."
"""How missing inputs of a capability begin."""
Content = dict[str, Any]


def content(case: Case, roots: dict[str, str]) -> Content:
    """Everything that a template shows. `roots` are the Merkle roots of the extracts by name."""
    total = _total(case)
    return {
        "title": f"Distillation campaign {case.campaign['campaign_id']}",
        "dossier_id": case.dossier_id,
        "audience": case.audience,
        "is_redacted": case.is_redacted,
        "date": case.run["as_of"].strftime("%Y-%m-%d"),
        "window": f"{moment(case.run['window_start'])} to {moment(case.run['as_of'])} UTC",
        "version": case.version,
        "verdict": VERDICTS[case.campaign["tier"]],
        "summary": summary(case, total),
        "figures": figures(case, total),
        "signals": _signals(case),
        "exposure": _exposure(case),
        "counterfactual": _counterfactual(total),
        "models": _models(case),
        "members": _members(case),
        "n_members": len(set(case.tables["members"]["account_id"].to_pylist())),
        "attribution": _attribution(case.assessment),
        "money": _money(case),
        **_alternatives(case),
        "judgements": [{name: prose(value) for name, value in row.items()} for row in case.judgements],
        "custody": _custody(case),
        "roots": [{"name": name, "root": root} for name, root in sorted(roots.items())],
        "calibration": {name: prose(value) for name, value in case.calibration.items()},
        "notes": [prose(note) for note in case.run["notes"]],
        "alpha": short(case.run["alpha"]),
    }


def _total(case: Case) -> Row:
    return next(row for row in case.tables["exposures"].to_pylist() if row["capability"] == ALL)


def _alternatives(case: Case) -> Row:
    """The honest class that is most alike, and all that were considered, the one whose scores come nearest first."""
    nearest = {"name": plain_name(case.campaign["nearest_lookalike"]), "margin": f"{case.campaign['margin']:+.1f}"}
    considered = [
        {
            "name": plain_name(one.name), "n_groups": number(one.n_groups), "largest": number(one.largest),
            "margin": f"{one.margin:+.1f}",
        }
        for one in case.lookalikes
    ]  # fmt: skip
    return {"lookalike": nearest, "lookalikes": considered}


def _signals(case: Case) -> list[Row]:
    """The signals that speak against the campaign, strongest first, then all others of the catalogue."""
    p_values = dict(zip(case.campaign["signals"], case.campaign["signal_p_values"], strict=True))
    order = {name: place for place, name in enumerate(case.campaign["signals"])}
    known = sorted(case.signals, key=lambda one: (order.get(one.name, len(order)), one.name))
    return [
        {
            "name": plain_name(one.name),
            "p": short(p_values[one.name]) if one.name in p_values else "",
            "question": one.question,
            "high_means": one.high_means,
            "innocent_cause": one.innocent_cause,
        }
        for one in known
    ]


def _exposure(case: Case) -> list[Row]:
    rows = sorted(
        case.tables["exposures"].to_pylist(), key=lambda row: (row["capability"] == ALL, -row["output_tokens"])
    )
    return [
        {
            "capability": plain_name(row["capability"]),
            "exchanges": between(row, "exchanges"),
            "useful": between(row, "useful_exchanges"),
            "output_tokens": between(row, "output_tokens"),
            "traces": number(row["n_traces"]),
            "covered": f"{row['n_cells_covered'] / row['n_cells']:.0%}" if row["n_cells"] else "",
        }
        for row in rows
    ]


def _counterfactual(total: Row) -> list[str]:
    taken, before = total["output_tokens"], total["output_tokens_before_alarm"]
    said = []
    if total["alarm_at"] is not None:
        said.append(
            f"Stopped at the first accusation ({moment(total['alarm_at'])} UTC), the campaign would have had "
            f"{number(before)} output tokens; {number(taken - before)} came after it."
        )
    low, high = total["daily_output_tokens_low"], total["daily_output_tokens_high"]
    said.append(
        f"At the pace of its last active days ({number(low)} to {number(high)} output tokens a day), thirty more days "
        f"would have added {number(30 * low)} to {number(30 * high)}."
    )
    return said


def _models(case: Case) -> list[Row]:
    return [
        {
            "model": inert(row["model"]) or "not reported",
            "n": number(row["n_flagged"]),
            "output_tokens": number(row["output_tokens"]),
            "released": "before" if row["released_on"] is None else row["released_on"].isoformat(),
            "first_days": f"{row['n_first_days']} of {row['n_first_days_any']}" if row["n_first_days_any"] else "",
            "others": "" if row["others_share"] is None else f"{row['others_share']:.0%}",
        }
        for row in sorted(case.tables["exposure_models"].to_pylist(), key=lambda row: (-row["n_flagged"], row["model"]))
    ]


def _members(case: Case) -> list[Row]:
    """The accounts with most flagged exchanges, accused ones first; none in a redacted report."""
    if case.is_redacted:
        return []
    n_flagged: dict[str, int] = {}
    n_all: dict[str, int] = {}
    for row in case.tables["exposure_accounts"].to_pylist():
        account = row["account_id"]
        n_flagged[account] = n_flagged.get(account, 0) + row["n_flagged"]
        n_all[account] = n_all.get(account, 0) + row["n_all"]
    rows = case.tables["findings"].to_pylist()
    rows.sort(key=lambda row: (row["tier"], -n_flagged.get(row["account_id"], 0), row["account_id"]))
    return [
        {
            "account": inert(row["account_id"]),
            "tier": row["tier"],
            "flagged": number(n_flagged.get(row["account_id"], 0)),
            "all": number(n_all.get(row["account_id"], 0)),
            "held_back": plain_name(row["held_back"] or ""),
        }
        for row in rows[:MEMBERS_SHOWN]
    ]


def _attribution(assessment: Assessment | None) -> Row | None:
    if assessment is None:
        return None
    hypotheses = sorted(assessment.hypotheses, key=lambda one: (-one.likelihood.low, one.kind.value))
    return {
        "author": prose(assessment.author),
        "approved_by": prose(assessment.approved_by),
        "approved_at": moment(assessment.approved_at) if assessment.approved_at else "",
        "hypotheses": [
            {
                "kind": plain_name(one.kind.value),
                "statement": prose(one.statement),
                "likelihood": one.likelihood.words,
                "range": f"{one.likelihood.low:.0%} to {one.likelihood.high:.0%}",
                "confidence": one.confidence.value,
                "supporting": [_point(point) for point in one.supporting],
                "contradicting": [_point(point) for point in one.contradicting],
            }
            for one in hypotheses
        ],
    }


def _point(point: Any) -> str:
    ref = f" [{plain_name(point.kind.value)} {inert(point.ref)}]" if point.ref else ""
    return f"{prose(point.says)}{ref}"


def _money(case: Case) -> Row | None:
    if case.money is None:
        return None
    heads = [
        {
            "title": row["title"],
            "basis": row["basis"],
            "says": row["says"],
            "range": "not computed"
            if row["median_usd"] is None
            else f"{money(row['low_usd'])} to {money(row['high_usd'])}",
            "median": "" if row["median_usd"] is None else money(row["median_usd"]),
            "missing": _missing(row["missing"]),
            "left_out": "" if row["missing"] else ", ".join(plain_name(name) for name in row["left_out"]),
        }
        for row in case.money.heads
    ]
    combinations = [
        {
            "heads": " with ".join(plain_name(name) for name in row["heads"]),
            "range": f"{money(row['low_usd'])} to {money(row['high_usd'])}",
        }
        for row in case.money.combinations
    ]
    swings = [
        {
            "head": plain_name(row["head"]), "input": plain_name(row["input"]),
            "at_low": money(row["at_low_usd"]), "at_high": money(row["at_high_usd"]),
        }
        for row in case.money.swings
        if row["place"] < SWINGS_SHOWN
    ]  # fmt: skip
    return {
        "heads": heads, "combinations": combinations, "swings": swings, "rules": list(case.money.rules),
        "seed": case.money.seed,
    }  # fmt: skip


def _missing(names: list[str]) -> str:
    """Missing inputs, those of capabilities named once."""
    plain = [plain_name(name) for name in names if not name.startswith(PER_CAPABILITY)]
    own = dict.fromkeys(plain_name(name.rpartition(".")[2]) for name in names if name.startswith(PER_CAPABILITY))
    return "; ".join([*([", ".join(plain)] if plain else []), *([f"by capability: {', '.join(own)}"] if own else [])])


def _custody(case: Case) -> list[Row]:
    rows = sorted(case.tables["batches"].to_pylist(), key=lambda row: (row["started_at"], row["ingest_batch_id"]))
    return [
        {
            "source": inert(row["source"]),
            "uri": inert(row["uri"]),
            "records": number(row["records_in"]),
            "rejected": number(row["rejected"]),
            "read_at": moment(row["finished_at"]),
            "digest": row["digest"][:24],
        }
        for row in rows
    ]

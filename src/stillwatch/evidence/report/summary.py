"""The first page, for somebody who reads nothing else: what happened, how sure, what was taken, what is not known."""

from stillwatch.evidence.case import Case, Row
from stillwatch.evidence.report.words import between, moment, money, number, plain_name, short

VERDICTS = {
    "accuse": "The evidence passes the threshold for accusation.",
    "review": "The evidence does not pass the threshold for accusation; a person has to review it.",
}


def summary(case: Case, total: Row) -> Row:
    """Key figures, and paragraphs with their headings."""
    campaign = case.campaign
    key = [
        {"value": number(campaign["n_accounts"]), "label": f"accounts, {number(_n_accused(case))} of them accused"},
        {"value": number(total["exchanges"]), "label": "exchanges taken"},
        {"value": number(total["output_tokens"]), "label": "output tokens taken"},
        {"value": short(campaign["q_value"]), "label": "expected share of honest people"},
    ]
    return {
        "key": key,
        "paragraphs": [
            {"heading": "What was found", "text": _found(case)},
            {"heading": "How sure", "text": _sure(case)},
            {"heading": "What was taken", "text": _taken(case, total)},
            {"heading": "What else it could be", "text": _else(case)},
            {"heading": "Who is behind it", "text": _who(case)},
            {"heading": "What it is worth", "text": _worth(case)},
            {"heading": "Why this record can be checked", "text": _CHECKED},
        ],
    }


def _n_accused(case: Case) -> int:
    return sum(tier == "accuse" for tier in case.tables["findings"]["tier"].to_pylist())


_CHECKED = (
    "Every file of this dossier is signed. Its rows are leaves of Merkle trees, and an entry about it stands in an "
    "append-only log. The program verify.py checks all of it without stillwatch, and the figures can be computed again "
    "from the extracts, equal to the last digit."
)


def _found(case: Case) -> str:
    campaign = case.campaign
    kinds = ", ".join(plain_name(kind) for kind in campaign["token_kinds"])
    return (
        f"Between {moment(campaign['first_seen_at'])} and {moment(campaign['last_seen_at'])} UTC, "
        f"{number(campaign['n_accounts'])} accounts behaved as if one queue of work had been dealt out among them. "
        f"They share {kinds}, and are more alike than honest accounts that share as much. {VERDICTS[campaign['tier']]}"
    )


def _sure(case: Case) -> str:
    campaign = case.campaign
    return (
        f"Of all people whose accounts score this high or higher, an estimated share of "
        f"{short(campaign['q_value'])} is honest. Chance alone would put the best group of an honest "
        f"window here with a probability of "
        f"{short(campaign['p_value'])}. Both rest on a calibration ({case.calibration['kind']}), whose limits are in "
        "the appendix on method; neither is the probability that a particular account is guilty."
    )


def _taken(case: Case, total: Row) -> str:
    names = [plain_name(name) for name in case.campaign["capabilities"]]
    ends = (
        ""
        if total["is_bounded_by_slices"]
        else (" The upper ends are those of whole accounts: one kind of evidence alone cannot tell what it missed.")
    )
    return (
        f"{between(total, 'exchanges')} exchanges with {between(total, 'output_tokens')} output tokens, of them "
        f"{between(total, 'useful_exchanges')} useful after repeats and refusals; the brackets are 95 % intervals. "
        f"Aimed at {', '.join(names) if names else 'no capability in particular'}. Only traffic inside flagged "
        f"slices is counted, not whole accounts.{ends}"
    )


def _else(case: Case) -> str:
    campaign = case.campaign
    return (
        f"The honest class most like it is {plain_name(campaign['nearest_lookalike'])}; the score is "
        f"{campaign['margin']:+.1f} from the point that 99 % of that class stay below. A reseller, one customer's bulk "
        "work and framing are weighed below."
    )


def _who(case: Case) -> str:
    if case.assessment is None:
        return (
            "No attribution has been approved. The methods here find accounts that act together; they do not say who "
            "acts, and nothing in this dossier should be read as naming an operator."
        )
    best = max(case.assessment.hypotheses, key=lambda one: one.likelihood.low)
    return (
        f"Assessed as {best.likelihood.words} ({best.confidence.value} confidence): {plain_name(best.kind.value)}. "
        f"Written by {case.assessment.author}, approved by {case.assessment.approved_by}; the competing hypotheses are "
        "below."
    )


def _worth(case: Case) -> str:
    heads = [] if case.money is None else [row for row in case.money.heads if row["median_usd"] is not None]
    if not heads:
        return "No damages were computed: no worksheet with the provider's prices and costs was given."
    said = "; ".join(f"{row['title']}: {money(row['low_usd'])} to {money(row['high_usd'])}" for row in heads)
    return f"{said}. These heads measure different things and are not to be added up; the rules are below."

"""The contents of a dossier: extracts, report, texts, and the program that checks them."""

from importlib.resources import files
from pathlib import Path

import rfc8785

from stillwatch.evidence import standalone
from stillwatch.evidence.bundle import Extract
from stillwatch.evidence.case import ABOUT_ACCOUNTS, Case
from stillwatch.evidence.report import brief, content, html_report, pdf_report
from stillwatch.guard.dossier import PARTS

TEXTS = ("README.txt", "methods.md", "glossary.md", "certification-902-13.txt", "certification-902-14.txt")
PART_OF = {name: "certifications" if name.startswith("certification") else "texts" for name in TEXTS}
"""The part of a dossier that each text belongs to."""
BUNDLE = "campaign.stix.json"
CALIBRATION = "calibration.json"
BRIEF = "brief.html"
WORKSHEET = "damages-worksheet.toml"
REDACTIONS = "redactions.json"


def contents(
    case: Case,
    extracts: dict[str, Extract],
    public_key: bytes,
    *,
    parts: frozenset[str],
    has_pdf: bool,
    bundle: bytes = b"",
) -> dict[str, bytes]:
    """Every file of the dossier but the ledger's, the manifest and the signature; equal cases give equal bytes.

    `parts` are those that the audience may hold; `bundle` is the campaign as the guard let it out, empty for none.

    Raises:
        EnvironmentFault: a PDF is wanted and typst is not installed.
    """
    made = {one.path: one.body() for one in extracts.values()}
    if "figures" in parts and case.calibration_body is not None:
        made[CALIBRATION] = case.calibration_body.encode()
    if "report" in parts:
        said = content(case, {name: one.root() for name, one in extracts.items()})
        made["report.html"] = html_report(said)
        if has_pdf:
            made["report.pdf"] = pdf_report(said, at=case.run["as_of"])
    made |= {name: _text(name, case) for name in TEXTS if PART_OF[name] in parts}
    made[REDACTIONS] = rfc8785.dumps([*_redactions(extracts), *_left_out(parts)])
    if bundle:
        made |= {BUNDLE: bundle, BRIEF: brief(bundle)}
    made[standalone.KEY] = public_key
    made["verify.py"] = Path(standalone.__file__).read_bytes()
    if case.money is not None:
        made[WORKSHEET] = case.money.worksheet.encode()
    return made


def _text(name: str, case: Case) -> bytes:
    text = (files("stillwatch.evidence") / "texts" / name).read_text(encoding="utf-8")
    return text.replace("{dossier_id}", case.dossier_id).replace("{version}", case.version).encode()


def _redactions(extracts: dict[str, Extract]) -> list[dict[str, str | int]]:
    """What was left out of which extract, and why."""
    log: list[dict[str, str | int]] = [
        {
            "extract": one.path,
            "n_rows": len(one.rows),
            "left_out": "every row",
            "reason": "rows about single accounts; each can be disclosed later and verifies under the same root",
        }
        for name, one in sorted(extracts.items())
        if one.is_redacted and name in ABOUT_ACCOUNTS
    ]
    if "members" in extracts:
        log.append(
            {
                "extract": "extracts/members.tsv",
                "n_rows": len(extracts["members"].rows),
                "left_out": "token",
                "reason": "hashes of texts never leave in clear; a reference of this dossier stands for each",
            }
        )
    return log


def _left_out(parts: frozenset[str]) -> list[dict[str, str | int]]:
    """The parts that this audience does not hold."""
    return [
        {"extract": part, "n_rows": 0, "left_out": "the whole part", "reason": "the policy gives it to other audiences"}
        for part in sorted(PARTS.keys() - parts)
    ]

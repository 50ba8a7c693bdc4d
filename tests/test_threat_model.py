"""The threat model names tests; each of them exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    gone = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert len(named) > 30
    assert not gone


def test_every_abuse_case_has_a_control_and_a_test() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    cases = page.partition("## Abuse cases")[2].partition("## What is not")[0]
    rows = [line for line in cases.splitlines() if line.startswith("| ") and not line.startswith("| case ")]
    assert all(len(row.strip("| ").split(" | ")) == 3 and NAMED.search(row) for row in rows)

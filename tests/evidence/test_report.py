"""The report: one content in two forms, and nothing that an account sends can change either."""

import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from stillwatch.evidence.case import Case
from stillwatch.evidence.report import content, html_report, pdf_report
from stillwatch.evidence.report.words import _SHOWN_BLOCKS, inert, money, prose
from tests.evidence.conftest import Built

HOSTILE = (
    '#panic("run")',
    '#import "@preview/cetz:0.1.0" $x^2$ *b* _i_ `c` <l> @r // no',
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "\U0001f600 \u4e2d\u6587",
    "<script>alert(1)</script>",
    "x" * 10_000,
    "a\x00b\n\n= Heading\n#pagebreak()",
)
PAGES = re.compile(rb"/Type\s*/Page\b(?!s)")


def with_accounts(case: Case, names: tuple[str, ...]) -> Case:
    """The case with the accounts that the report shows first renamed, wherever they occur."""
    known = [row["account"] for row in content(case, {})["members"]]
    renamed = dict(zip(known, names, strict=False))
    tables = dict(case.tables)
    for name, table in case.tables.items():
        if "account_id" in table.column_names:
            ids = [renamed.get(value, value) for value in table["account_id"].to_pylist()]
            place = table.column_names.index("account_id")
            tables[name] = table.set_column(place, table.schema.field(place), pa.array(ids, pa.string()))
    return replace(case, tables=tables)


def pdf(case: Case) -> bytes:
    return pdf_report(content(case, {}), at=case.run["as_of"])


@pytest.mark.parametrize("text", HOSTILE)
def test_what_accounts_send_is_shown_as_plain_characters(text: str) -> None:
    shown = inert(text)
    assert len(shown) <= 99
    assert all(any(low <= ord(one) <= high for low, high in _SHOWN_BLOCKS) for one in shown)


def test_what_people_here_wrote_is_shown_whole() -> None:
    text = "Zoë said: “no”. " * 40
    assert prose(text) == text.strip()


def test_the_page_loads_nothing_and_runs_nothing(built: Built) -> None:
    page = html_report(content(with_accounts(built.case, HOSTILE), {})).decode()
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?\s*(https?:)?//|@import|url\(\s*["']?https?:""", page)
    assert "<script" not in page.lower()
    assert "\u202e" not in page


def test_the_page_says_what_was_taken_and_what_is_not_known(built: Built) -> None:
    page = html_report(content(built.case, {})).decode()
    [total] = [row for row in built.case.tables["exposures"].to_pylist() if row["capability"] == "all"]
    assert f"{total['output_tokens']:,}" in page
    assert "No attribution has been approved" in page
    assert "not the probability" in page.replace("neither is the probability", "not the probability")
    assert "student after score" in page


def test_the_pdf_is_quick_and_equal_each_time(built: Built) -> None:
    pytest.importorskip("typst")
    began = time.process_time()
    first = pdf(built.case)
    assert time.process_time() - began < 5.0
    assert first[:5] == b"%PDF-"
    assert b"pdfaid" in first or b"pdfaid:part" in first
    time.sleep(1.1)
    assert pdf(built.case) == first


def test_every_character_that_is_let_through_can_be_set(built: Built) -> None:
    pytest.importorskip("typst")
    letters = "".join(chr(code) for low, high in _SHOWN_BLOCKS for code in range(low, high + 1))
    case = replace(built.case, judgements=({"verdict": "honest", "author": "ana", "judged_at": "", "note": letters},))
    assert pdf(case)[:5] == b"%PDF-"


def words_of(body: bytes, folder: Path) -> list[tuple[int, float, float, float, float]]:
    """Page and box of each word, in points."""
    (folder / "report.pdf").write_bytes(body)
    command = ["pdftotext", "-bbox", str(folder / "report.pdf"), str(folder / "words.html")]
    subprocess.run(command, check=True, capture_output=True)
    found, page = [], 0
    for line in (folder / "words.html").read_text(encoding="utf-8").splitlines():
        page += "<page " in line
        if "<word " in line:
            found.append((page, *(float(value) for value in re.findall(r'="([\d.]+)"', line)[:4])))
    return found


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext (poppler)")
def test_no_word_leaves_the_page_and_hostile_names_change_no_layout(built: Built, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    width, height, margin = 595.3, 841.9, 40.0
    plain = words_of(pdf(built.case), tmp_path)
    hostile = words_of(pdf(with_accounts(built.case, HOSTILE)), tmp_path)
    for words in (plain, hostile):
        assert all(margin < left and right < width - margin and low < height for _, left, _, right, low in words)
    assert abs(max(page for page, *_ in hostile) - max(page for page, *_ in plain)) <= 1
    headings = [word for word in plain if word[0] <= 3]
    assert [word for word in hostile if word[0] <= 3] == headings
    shown = html_report(content(with_accounts(built.case, HOSTILE), {})).decode()
    assert "#panic(" in shown
    assert "\\u202e" in shown


def test_amounts_are_short() -> None:
    assert [money(value) for value in (0, 993_600, 12.4, 2.3e8, 4e9)] == ["$0", "$994 k", "$12", "$230 m", "$4 bn"]

"""What an attacker can write is text wherever it is shown: never markup, never hidden, never a formula."""

import csv
import io
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from stillwatch.model.role import Role
from tests.console.conftest import NOTHING_YET, SCREENS, Watched
from tests.console.worlds import HOSTILE, HOSTILE_NOTE, HOSTILE_PROMPT

pytestmark = pytest.mark.console

VIEWS = SCREENS | {
    "members": "/campaigns/c-000?tab=accounts&sort=account_id",
    "accounts by id": "/accounts?sort=account_id",
    "search for markup": "/search?q=%3C",
    "history of a judged one": "/campaigns/c-001?tab=history",
}
HIDDEN = "\u202e\u2066\u200b\u0007"
MARKUP = (
    "document.querySelectorAll('#main img, #main script, #main iframe, #main b[style], a[href^=\"javascript\"]').length"
)


def test_markup_stays_text_in_every_view(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.allowed = NOTHING_YET
    watched.open("/")
    found: dict[str, object] = {}
    for view, path in VIEWS.items():
        watched.go(path)
        outside = watched.page.evaluate(
            "[...document.links].map((a) => a.href).filter((to) => !to.startsWith(location.origin))"
        )
        shown = watched.page.evaluate("document.body.innerText")
        if watched.page.evaluate(MARKUP) or outside or set(HIDDEN) & set(shown):
            found[view] = (outside, set(HIDDEN) & set(shown))
    assert not found


@pytest.mark.parametrize("name", HOSTILE)
def test_an_account_of_any_name_has_a_page_that_shows_it_as_text(visit: Callable[..., Watched], name: str) -> None:
    watched = visit()
    watched.open("/accounts/" + quote(name, safe=""))
    assert watched.page.evaluate(MARKUP) == 0
    shown = watched.page.locator("#main h1").inner_text()
    for hidden in HIDDEN:
        assert hidden not in shown
    assert name[:12].strip("\u202e") in shown or "⟨" in shown
    expect(watched.page.get_by_text("Why it was flagged")).to_be_visible()


def test_characters_that_hide_or_turn_text_are_made_visible(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns/c-001?tab=history")
    note = watched.page.locator("bdi").filter(has_text="alert('note')")
    assert "202E" in note.inner_text()
    assert "\u202e" not in watched.page.evaluate("document.body.innerText")
    assert HOSTILE_NOTE.split("\u202e")[0] in note.inner_text()


def test_hostile_names_are_inert_in_exports(visit: Callable[..., Watched]) -> None:
    watched = visit(accept_downloads=True)
    watched.open("/campaigns/c-000?tab=accounts")
    for form in ("CSV", "JSON"):
        watched.page.get_by_role("button", name="Export 300 rows").click()
        with watched.page.expect_download() as got:
            watched.page.get_by_role("button", name=f"300 rows as {form}").click()
        body = got.value.path().read_text()
        if form == "CSV":
            names = [row["account_id"] for row in csv.DictReader(io.StringIO(body))]
            assert not [name for name in names if name[0] in "=+-@\t\r"]
        else:
            names = [row["account_id"] for row in json.loads(body)]
            assert set(HOSTILE) <= set(names)
        assert len(names) == 300


def test_the_servers_export_has_the_rows_that_its_button_says(visit: Callable[..., Watched]) -> None:
    watched = visit(accept_downloads=True)
    watched.open("/accounts?tier=review")
    total = watched.served[Role.ANALYST].get("/v1/accounts?tier=review&limit=1").json()["total"]
    watched.page.get_by_role("button", name=f"Export {total} rows").click()
    with watched.page.expect_download() as got:
        watched.page.get_by_role("button", name=f"{total} rows as csv").click()
    names = [row["account_id"] for row in csv.DictReader(io.StringIO(got.value.path().read_text()))]
    assert len(names) == total
    assert not [name for name in names if name[0] in "=+-@\t\r"]


def test_a_stored_text_is_hidden_until_a_reason_is_recorded_and_inert_then(visit: Callable[..., Watched]) -> None:
    watched = visit(Role.ANALYST)
    watched.open("/campaigns/c-000?tab=tokens")
    page = watched.page
    assert "alert('prompt')" not in page.content()
    before = watched.served[Role.ADMIN].get("/v1/ledger").json()["size"]
    page.get_by_role("button", name="Reveal").click()
    page.get_by_label("Why does it have to be read?").fill("case 12")
    page.keyboard.press("Enter")
    text = page.get_by_role("region", name="Text as it was sent")
    expect(text).to_contain_text("<script>alert('prompt')</script>")
    assert page.evaluate(MARKUP) == 0
    shown = text.inner_text()
    assert not set("\u202e\u2066\x00\x1b") & set(shown)
    assert all(mark in shown for mark in ("202E", "2066", "0000", "001B"))
    page.get_by_role("button", name=f"Show all {len(HOSTILE_PROMPT):,} characters").click()
    expect(page.get_by_role("button", name="Show all")).to_have_count(0)
    assert watched.served[Role.ADMIN].get("/v1/ledger").json()["size"] == before + 1

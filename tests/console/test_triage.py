"""A queue is worked through without a mouse, and every view is where its address says."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from stillwatch.model.role import Role
from tests.api.served import wait_until
from tests.console.conftest import Watched

pytestmark = pytest.mark.console


def query(watched: Watched) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(watched.page.url).query).items()}


def test_a_queue_is_triaged_by_keyboard_alone(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns?tier=accuse&sort=-n_accounts")
    page, keys = watched.page, watched.page.keyboard
    keys.press("j")
    keys.press("j")
    expect(page.locator("tr[aria-current=true] code")).to_have_text("c-003")
    keys.press("x")
    keys.press("j")
    keys.press("x")
    expect(page.get_by_role("region", name="What you picked")).to_contain_text("2 campaigns")
    keys.press("d")
    expect(page.get_by_role("dialog")).to_contain_text("Judge 2 at once")
    keys.type("a class of a university")
    keys.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Recorded 2 as Honest")).to_be_visible()
    said = watched.served[Role.ANALYST].get("/v1/judgements?verdict=honest").json()["rows"]
    assert {row["subject_id"] for row in said} == {"c-003", "c-006"}
    assert {row["note"] for row in said} == {"a class of a university"}
    keys.press("u")
    expect(page.get_by_role("status").filter(has_text="2 taken back")).to_be_visible()
    keys.press("Enter")
    expect(page.locator("#main h1")).to_have_text("Campaign c-006")
    keys.press("]")
    expect(page.locator("#main h1")).to_have_text("Campaign c-009")
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Next campaign of the queue")
    keys.press("Escape")
    keys.press("Control+k")
    keys.type("c-000")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(page.locator("#main h1")).to_have_text("Campaign c-000")


def test_a_deep_link_restores_filter_sort_and_selection(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns?tier=review&sort=n_accounts&at=c-055&pick=c-058,c-059&peek=1")
    page = watched.page
    expect(page.locator("tr[aria-current=true] code")).to_have_text("c-055")
    expect(page.get_by_role("button", name=re.compile("^Review"))).to_have_attribute("aria-pressed", "true")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text(re.compile("Accounts"))
    expect(page.locator("tbody tr code").first).to_have_text("c-059")
    expect(page.get_by_role("region", name="What you picked")).to_contain_text("2 campaigns")
    expect(page.get_by_role("complementary")).to_contain_text("c-055")
    assert page.locator("tbody td").filter(has_text="Accuse").count() == 0


def test_what_is_filtered_and_sorted_is_in_the_address(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns")
    watched.page.get_by_role("button", name=re.compile("^Accuse")).click()
    watched.page.get_by_role("button", name="Exchanges").click()
    watched.page.keyboard.press("j")
    assert query(watched) == {"tier": "accuse", "sort": "-n_exchanges", "at": "c-000"}
    watched.page.go_back()
    assert query(watched) == {"tier": "accuse"}


def test_back_finds_the_place_again(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns")
    page = watched.page
    page.evaluate("scrollTo(0, 900)")
    page.wait_for_timeout(300)
    page.locator("tbody a").nth(30).click()
    expect(page.locator("#main h1")).to_contain_text("Campaign c-")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(page.locator("#main h1")).to_have_text("Campaigns")
    wait_until(lambda: abs(page.evaluate("scrollY") - 900) < 3)


def test_a_reader_is_told_why_it_may_not_judge(visit: Callable[..., Watched]) -> None:
    watched = visit(Role.ANALYST)
    watched.open("/campaigns?at=c-000")
    watched.page.keyboard.press("e")
    expect(watched.page.get_by_role("status").filter(has_text="may not judge")).to_be_visible()
    assert watched.page.get_by_role("dialog").count() == 0

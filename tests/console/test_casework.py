"""Appeals, dossiers, attribution and keys in the console, from a person's first look to the record of it."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from stillwatch.model.role import Role
from tests.console.conftest import Watched
from tests.response.worlds import SLOW, policy

pytestmark = pytest.mark.console

PATIENCE_MS = 300_000
MILD = policy(SLOW, limits="max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.5").body


def test_an_appeal_is_reviewed_and_the_account_restored(visit: Callable[..., Watched]) -> None:
    watched = visit(Role.RESPONDER)
    assert watched.served[Role.RESPONDER].post("/v1/apply", json={"policy": MILD}).status_code == 201
    watched.open("/response?tab=appeals")
    page = watched.page
    page.get_by_label("Another account").fill("acct-0006")
    page.keyboard.press("Enter")
    appeal = page.get_by_role("region", name="Appeal of acct-0006")
    expect(appeal).to_contain_text("1 decision stands against it")
    appeal.get_by_label("Why", exact=True).fill("a class")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="the account is restored")).to_be_visible()
    (row,) = watched.served[Role.ANALYST].get("/v1/appeals?account_id=acct-0006").json()["rows"]
    assert (row["status"], row["note"]) == ("granted", "a class")
    expect(appeal).to_contain_text("No decision stands against it")


def test_a_dossier_is_built_downloaded_and_listed(visit: Callable[..., Watched], tmp_path: Path) -> None:
    watched = visit(Role.RESPONDER, accept_downloads=True)
    watched.open("/campaigns/c-000?tab=dossier")
    with watched.page.expect_download(timeout=PATIENCE_MS) as got:
        watched.page.get_by_role("button", name="Build and download").click()
    got.value.save_as(tmp_path / "case.zip")
    assert "verify.py" in zipfile.ZipFile(tmp_path / "case.zip").namelist()
    expect(watched.page.get_by_role("region", name="Dossiers that were built")).to_contain_text("Our own use")


def test_an_assessment_of_somebody_else_is_approved(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns/c-000?tab=attribution")
    page = watched.page
    expect(page.locator("#main")).to_contain_text("Waits for somebody else to approve it")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator("#main")).to_contain_text("Stands: approved by test admin")


def test_a_key_is_made_shown_once_and_revoked(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/access")
    page = watched.page
    page.get_by_label("Who holds it").fill("Cai Moss")
    page.get_by_role("button", name="Make a key").click()
    shown = page.get_by_role("dialog").locator("pre").inner_text()
    assert shown.startswith("sw_")
    page.keyboard.press("Escape")
    row = page.get_by_role("row", name="Cai Moss")
    expect(row).to_be_visible()
    assert shown not in page.content()
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status").filter(has_text="opens nothing any more")).to_be_visible()
    assert watched.served[None].get("/v1/whoami", headers={"x-stillwatch-key": shown}).status_code == 401


def test_who_is_no_administrator_is_told_so(visit: Callable[..., Watched]) -> None:
    watched = visit(Role.ANALYST)
    watched.open("/access")
    expect(watched.page.locator("#main")).to_contain_text("This is for administrators")

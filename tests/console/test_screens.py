"""Every screen draws, says nothing in the browser's console, and calls no other machine."""

from collections.abc import Callable

import pytest

from stillwatch.model.role import Role
from tests.console.conftest import NOTHING_YET, SCREENS, Watched

pytestmark = pytest.mark.console


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_loads_in_silence_and_from_here_alone(visit: Callable[..., Watched], screen: str) -> None:
    watched = visit()
    watched.allowed = NOTHING_YET if screen == "response" else ()
    watched.open(SCREENS[screen])
    assert watched.page.locator("#main h1").inner_text()
    assert watched.page.locator("#main [role=alert]").count() == 0


def test_a_key_opens_the_console_and_a_wrong_one_does_not(visit: Callable[..., Watched]) -> None:
    watched = visit(None)
    watched.allowed = ("Failed to load resource: the server responded with a status of 401",)
    watched.page.goto(f"{watched.served.url}/console/campaigns?tier=review")
    watched.page.get_by_label("API key").fill("sw_wrong")
    watched.page.keyboard.press("Enter")
    assert "no valid key" in watched.page.get_by_role("alert").inner_text()
    watched.page.get_by_label("API key").fill(watched.served.keys[Role.ANALYST])
    watched.page.keyboard.press("Enter")
    watched.settle()
    assert watched.page.url.endswith("/console/campaigns?tier=review")
    assert watched.served.keys[Role.ANALYST] not in watched.page.url

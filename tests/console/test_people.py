"""The console for everybody: screen readers, both themes, small screens, other languages."""

import re
from collections.abc import Callable

import pytest

from tests.conftest import REPOSITORY
from tests.console.conftest import NOTHING_YET, SCREENS, Watched, prefer

pytestmark = pytest.mark.console

AXE = REPOSITORY / "console" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}
UNTRANSLATED = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const parent = node.parentElement;
    if (!/\\p{L}{2,}/u.test(text)) continue;
    if (parent.closest('[data-raw], code, time, pre, script, style, textarea, title')) continue;
    if (!text.includes('⟦') || !text.includes('⟧')) found.push(text.slice(0, 80));
  }
  for (const element of document.querySelectorAll('[aria-label], [placeholder]'))
    for (const name of ['aria-label', 'placeholder']) {
      const said = element.getAttribute(name);
      if (said && /\\p{L}{2,}/u.test(said) && !said.includes('⟦')) found.push(`${name}: ${said}`);
    }
  return found;
}"""


def test_axe_finds_nothing_grave_on_any_screen_in_light_and_dark(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.allowed = NOTHING_YET
    watched.open("/")
    found = {}
    for screen, path in SCREENS.items():
        watched.go(path)
        for theme in ("light", "dark"):
            watched.page.emulate_media(color_scheme=theme)
            found[screen, theme] = examined(watched)
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("opened", ["help", "palette", "judging", "copying", "settings"])
def test_axe_finds_nothing_grave_in_what_opens(visit: Callable[..., Watched], opened: str) -> None:
    watched = visit()
    watched.open("/campaigns?at=c-000")
    acts: dict[str, Callable[[], object]] = {
        "help": lambda: watched.page.keyboard.press("?"),
        "palette": lambda: watched.page.keyboard.press("Control+k"),
        "judging": lambda: watched.page.keyboard.press("d"),
        "copying": lambda: watched.page.get_by_role("button", name="Copy as").click(),
        "settings": lambda: watched.page.get_by_role("button", name="Settings").click(),
    }
    acts[opened]()
    watched.page.wait_for_timeout(100)
    assert not examined(watched)


def test_longer_words_from_the_catalogue_fit_into_320_pixels(visit: Callable[..., Watched]) -> None:
    watched = visit(viewport={"width": 320, "height": 700})
    watched.allowed = NOTHING_YET
    prefer(watched, language="en-XA")
    watched.open("/")
    untranslated, wide = {}, {}
    for screen, path in SCREENS.items():
        watched.go(path)
        untranslated[screen] = set(watched.page.evaluate(UNTRANSLATED)) - {"no such signal"}
        wide[screen] = watched.page.evaluate("document.documentElement.scrollWidth") - 320
    assert {screen: words for screen, words in untranslated.items() if words} == {}
    assert {screen: pixels for screen, pixels in wide.items() if pixels > 0} == {}


def test_another_time_zone_changes_labels_and_not_data(visit: Callable[..., Watched]) -> None:
    watched = visit()
    watched.open("/campaigns")
    cell = watched.page.locator("tbody time").first
    before = (cell.inner_text(), cell.get_attribute("datetime"))
    watched.page.get_by_label("Time zone").select_option("Asia/Tokyo")
    after = (cell.inner_text(), cell.get_attribute("datetime"))
    assert before[1] == after[1]
    assert before[0] == "10 May 2026, 11:00"
    assert after[0] == "10 May 2026, 20:00"


def test_letters_do_nothing_where_shortcuts_are_off(visit: Callable[..., Watched]) -> None:
    watched = visit()
    prefer(watched, shortcuts=False)
    watched.open("/campaigns?at=c-000")
    watched.page.keyboard.press("d")
    watched.page.keyboard.press("j")
    assert watched.page.get_by_role("dialog").count() == 0
    assert "at=c-000" in watched.page.url


def test_the_theme_that_is_chosen_wins_over_the_computer(visit: Callable[..., Watched]) -> None:
    watched = visit(color_scheme="dark")
    watched.open("/")
    dark = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    watched.page.get_by_role("button", name=re.compile("Settings")).click()
    watched.page.get_by_label("Light").check()
    assert watched.page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    watched.page.reload()
    watched.settle()
    assert watched.page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def examined(watched: Watched) -> list[str]:
    """What axe-core calls serious or critical, by rule and element."""
    watched.page.evaluate(AXE.read_text())
    answer = watched.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in answer["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"][:3]
    ]

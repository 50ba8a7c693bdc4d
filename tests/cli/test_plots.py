"""Plots as SVG files."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.cli.plots import bar_plot
from stillwatch.evaluate.report import Bar

SVG = "{http://www.w3.org/2000/svg}"


def plot(*bars: Bar, title: str = "Recall") -> ElementTree.Element:
    return ElementTree.fromstring(bar_plot(title, bars))


def classes(root: ElementTree.Element) -> list[str]:
    return [element.get("class", "") for element in root.iter()]


def a_bar(value: float = 0.5, goal: float | None = None, name: str = "case") -> Bar:
    return Bar(name=name, value=value, low=0.0, high=1.0, goal=goal)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30))
def test_any_text_gives_a_whole_document(text: str) -> None:
    root = plot(a_bar(name=text), title=text)
    assert root.tag == f"{SVG}svg"


def test_names_are_text_and_never_markup() -> None:
    root = plot(a_bar(name="<script>x</script>"))
    assert not list(root.iter(f"{SVG}script"))


def test_a_bar_is_as_long_as_its_share() -> None:
    lengths = [
        float(element.get("width", "0"))
        for element in plot(a_bar(0.2), a_bar(0.8)).iter()
        if element.get("class") == "bar"
    ]
    assert lengths[1] == pytest.approx(4 * lengths[0], rel=0.01)


def test_a_missed_goal_is_marked() -> None:
    assert "miss" in classes(plot(a_bar(0.5, goal=0.9)))
    assert "miss" not in classes(plot(a_bar(0.9, goal=0.9)))


def test_only_bars_with_a_goal_have_a_tick() -> None:
    assert classes(plot(a_bar(goal=0.5), a_bar())).count("goal") == 1

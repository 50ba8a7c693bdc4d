"""The graph explorer: as many accounts as the database has, why they are linked, the same as a table, and as files."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from stillwatch.model.role import Role
from tests.console.conftest import Watched
from tests.console.worlds import accounts

pytestmark = pytest.mark.console

CAMPAIGN = "c-000"
Visit = Callable[..., Watched]


def graph(watched: Watched, **asked: object) -> dict[str, Any]:
    answer = watched.served[Role.ANALYST].get(f"/v1/campaigns/{CAMPAIGN}/graph", params=asked)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def opened(visit: Visit, query: str = "", **options: object) -> Watched:
    """The explorer, once it has drawn; the server has laid the graph out before, which imports much the first time."""
    watched = visit(**options)
    watched.allowed = ("[.WebGL-",)  # a software renderer tells of its own slowness
    graph(watched)
    watched.page.goto(f"{watched.served.url}/console/campaigns/{CAMPAIGN}?tab=graph{query}")
    watched.page.locator("[data-painted]:not([data-painted=''])").wait_for(state="attached")
    return watched


def painted(page: Page) -> int:
    return int(page.locator("[data-painted]").get_attribute("data-painted") or 0)


def shown(page: Page) -> dict[str, tuple[int, int]]:
    """What the line above the picture says is shown, of how much, by name."""
    said = page.get_by_test_id("graph-shown").inner_text()
    found = re.findall(r"([\d,]+) of ([\d,]+) ([a-z ]+)", said)
    return {name.strip(): (number(few), number(many)) for few, many, name in found}


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_groups_come_first_and_stand_for_every_account_of_the_database(visit: Visit) -> None:
    watched = opened(visit)
    assert shown(watched.page)["accounts"] == (len(accounts()), len(accounts()))
    assert painted(watched.page) == graph(watched)["groups_total"] == shown(watched.page)["groups"][1]


def test_every_account_and_shared_token_is_drawn_on_demand_and_the_address_says_so(visit: Visit) -> None:
    watched = opened(visit)
    watched.page.get_by_role("button", name="Every account").click()
    wanted = graph(watched, level="accounts")
    watched.page.locator(f"[data-painted='{wanted['nodes_total']}']").wait_for(state="attached")
    assert "level=accounts" in watched.page.url
    assert shown(watched.page)["accounts"] == (wanted["accounts_total"], wanted["accounts_total"])
    assert shown(watched.page)["shared tokens"] == (wanted["tokens_total"], wanted["tokens_total"])
    watched.page.go_back()
    watched.page.locator(f"[data-painted='{wanted['groups_total']}']").wait_for(state="attached")


def test_a_kind_that_is_off_hides_links_and_never_accounts(visit: Visit) -> None:
    watched = opened(visit, "&level=accounts")
    before = shown(watched.page)
    wanted = graph(watched, level="accounts")
    kind = wanted["kinds"][0]
    watched.page.locator("fieldset label").first.click()
    after = shown(watched.page)
    assert after["links drawn"] == (before["links drawn"][0] - kind["n_edges"], wanted["edges_total"])
    assert after["accounts"] == before["accounts"]


def test_the_table_holds_the_same_nodes_and_choosing_a_row_says_why_it_is_linked(visit: Visit) -> None:
    watched = opened(visit, "&level=accounts")
    page = watched.page
    table = page.get_by_role("region", name="The same as a table")
    assert table.locator("table").get_attribute("aria-rowcount") == str(
        graph(watched, level="accounts")["nodes_shown"] + 1
    )
    table.focus()
    page.keyboard.press("ArrowDown")
    first = graph(watched, level="accounts")["nodes"]["label"][:2]
    why = page.get_by_role("region", name="Why linked")
    why.get_by_text("carries").wait_for()
    expect(table.locator("tr[aria-selected='true']")).to_have_count(1)
    why.get_by_role("searchbox").fill(first[1])
    links = watched.served[Role.ANALYST].get(
        f"/v1/campaigns/{CAMPAIGN}/graph/links", params={"first": first[0], "second": first[1]}
    )
    why.get_by_text(f"{links.json()['total']} token").wait_for()


def test_a_group_opens_to_its_own_accounts(visit: Visit) -> None:
    watched = opened(visit, "&group=0")
    wanted = graph(watched, level="accounts", group=0)
    assert painted(watched.page) == wanted["nodes_shown"]
    assert shown(watched.page)["accounts"] == (wanted["accounts_shown"], wanted["accounts_total"])


def test_a_line_drawn_round_accounts_picks_them_for_the_tray(visit: Visit) -> None:
    watched = opened(visit, "&level=accounts")
    page = watched.page
    page.keyboard.press("l")
    frame = page.locator("[data-painted]").bounding_box()
    assert frame is not None
    left, top, right, bottom = (
        frame["x"] + 2, frame["y"] + 2, frame["x"] + frame["width"] - 3, frame["y"] + frame["height"] - 3,
    )  # fmt: skip
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 5)):
        page.mouse.move(x, y)
    page.mouse.up()
    expect(page.get_by_role("region", name="What you picked")).to_contain_text(f"{len(accounts())} accounts")


def test_the_accounts_of_a_group_are_picked_without_dragging(visit: Visit) -> None:
    watched = opened(visit)
    page = watched.page
    page.get_by_role("region", name="The same as a table").focus()
    page.keyboard.press("ArrowDown")
    n = graph(watched)["nodes"]["n_accounts"][0]
    page.get_by_role("button", name=f"Pick {n} account").click()
    expect(page.get_by_role("region", name="What you picked")).to_contain_text(f"{n} accounts")


def test_nothing_of_the_picture_is_cut_off_at_its_frame(visit: Visit) -> None:
    page = opened(visit).page
    frame = page.locator("[data-painted]").bounding_box()
    assert frame is not None
    assert frame["y"] + frame["height"] <= 860


@pytest.mark.parametrize(
    "choice", ["Picture as PNG", "Picture as SVG", "Graph as GEXF", "Nodes as csv", "Links as csv"]
)
def test_the_graph_is_taken_as_a_picture_or_a_file(visit: Visit, choice: str, tmp_path: Path) -> None:
    watched = opened(visit, "&level=accounts")
    wanted = graph(watched, level="accounts")
    watched.page.get_by_role("button", name="Export").click()
    with watched.page.expect_download() as download:
        watched.page.get_by_role("button", name=re.compile(choice)).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    body = path.read_bytes()
    if choice.endswith("PNG"):
        assert body.startswith(b"\x89PNG")
        assert len(body) > 2000
    elif choice.endswith("SVG"):
        root = ET.fromstring(body)
        assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == wanted["nodes_shown"]
        assert root.findtext("{http://www.w3.org/2000/svg}title")
        assert not root.findall(".//{http://www.w3.org/2000/svg}script")
    elif choice.endswith("GEXF"):
        assert len(ET.fromstring(body).findall(".//{http://gexf.net/1.3}node")) == wanted["nodes_shown"]
    else:
        n = wanted["nodes_shown"] if "Nodes" in choice else wanted["edges_shown"]
        assert body.count(b"\n") >= n + 1


def test_the_picture_follows_the_theme(visit: Visit) -> None:
    assert painted(opened(visit, color_scheme="dark").page)


def test_where_nothing_can_be_drawn_the_table_still_has_everything(visit: Visit) -> None:
    watched = visit()
    watched.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    watched.page.goto(f"{watched.served.url}/console/campaigns/{CAMPAIGN}?tab=graph&level=accounts")
    watched.page.get_by_text("WebGL is off").wait_for()
    table = watched.page.get_by_role("region", name="The same as a table").locator("table")
    assert table.get_attribute("aria-rowcount") == str(graph(watched, level="accounts")["nodes_shown"] + 1)

"""Pages with charts hold everything they need, let nothing else run, and show hostile text as text."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import vl_convert

from stillwatch.errors import UsageError
from stillwatch.evidence.charts.waterfall import waterfall
from stillwatch.model.tables import ACCOUNT_FINDINGS, CAMPAIGN_MEMBERS
from stillwatch.python_api import Stillwatch
from stillwatch.python_api.charts import Figure, page, save_html
from stillwatch.python_api.charts.offline import embedded, specification
from tests.python_api.test_charts import CAMPAIGN
from tests.small_world import copied, found_world, small_world

__all__ = ["found_world", "small_world"]

HOSTILE = "</script><img src=http://evil.example/x onerror=alert(1)>\u202e"
NAMESPACES = {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg", "http://www.w3.org/2000/xmlns/"}


class Scripts(HTMLParser):
    """Scripts, and every attribute that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []
        self.told: list[str] = []
        self.loads: list[str] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.loads += [name for name in known if name in {"src", "href", "srcset", "action"} or name.startswith("on")]
        if tag == "script":
            self._into = self.told if known.get("type") == "application/json" else self.running
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        self._into = None if tag == "script" else self._into

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def body_of(html: str) -> str:
    """What stands before the scripts that run."""
    return html.partition("<body>")[2].partition("<script>")[0]


def scripts_of(html: str) -> Scripts:
    found = Scripts()
    found.feed(html)
    return found


@pytest.fixture(scope="module")
def hostile(found_world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stillwatch]:
    """The small world in which one member of the first campaign is called HOSTILE, and somebody noted it."""
    with copied(found_world, tmp_path_factory.mktemp("hostile") / "workspace", small_world) as watch:
        run = watch.runs().table["run_id"][-1].as_py()
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        renamed = watch.members(campaign_id).table["account_id"][0].as_py()
        with watch.workspace.lake.write() as writer:
            for table in (CAMPAIGN_MEMBERS, ACCOUNT_FINDINGS):
                rows = watch._read(table, [run])
                ids = pc.if_else(pc.equal(rows["account_id"], renamed), HOSTILE, rows["account_id"])
                writer.replace(table, run, rows.set_column(rows.column_names.index("account_id"), "account_id", ids))
            writer.commit()
        watch.judge(campaign_id, "unsure", author="ana", note=HOSTILE)
        yield watch


@pytest.fixture(scope="module")
def studio(hostile: Stillwatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    campaign_id = hostile.campaigns().table["campaign_id"][0].as_py()
    return hostile.studio(campaign_id, tmp_path_factory.mktemp("studio") / "studio.html")


def test_a_page_loads_nothing_and_names_no_address(tmp_path: Path) -> None:
    html = save_html(waterfall(CAMPAIGN), tmp_path / "chart.html").read_text()
    assert set(re.findall(r"https?://[^\s\"'`)]+", html)) <= NAMESPACES
    assert scripts_of(html).loads == []


def test_only_the_scripts_of_the_page_may_run() -> None:
    html = page("one", [Figure("a", waterfall(CAMPAIGN)), Figure("b", waterfall(CAMPAIGN))])
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1])  # type: ignore[index]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts_of(html).running}
    assert policy.startswith("default-src 'none'")
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_no_text_can_end_the_element_that_holds_it() -> None:
    html = embedded({"a": HOSTILE, "b": "<!--<script>"}, attribute="rows", name='x"y')
    assert html.count("<") == 2
    (told,) = scripts_of(html).told
    assert json.loads(told) == {"a": HOSTILE, "b": "<!--<script>"}


def test_headings_are_inert() -> None:
    html = page(HOSTILE, [Figure(HOSTILE, waterfall(CAMPAIGN), HOSTILE)])
    assert "&lt;img" in body_of(html)
    assert "<img" not in body_of(html)
    assert "\u202e" not in body_of(html)
    assert HOSTILE not in html


def test_every_chart_of_a_workspace_is_accepted_by_vega(hostile: Stillwatch) -> None:
    campaign_id = hostile.campaigns().table["campaign_id"][0].as_py()
    charts = hostile.charts
    for chart in (
        charts.timeline(campaign_id), charts.waterfall(campaign_id), charts.network(campaign_id), charts.lookalikes(),
    ):  # fmt: skip
        drawn = vl_convert.vegalite_to_svg(specification(chart))
        assert drawn.count("<path") > 5


def test_the_studio_holds_every_row_and_no_address(hostile: Stillwatch, studio: Path) -> None:
    campaign_id = hostile.campaigns().table["campaign_id"][0].as_py()
    html = studio.read_text()
    found = scripts_of(html)
    told = [document for document in map(json.loads, found.told) if "rows" in document]
    slices = next(document for document in told if "token_kind" in document["columns"])
    assert len(slices["rows"]) == len(hostile.members(campaign_id))
    assert set(re.findall(r"https?://[^\s\"'`)\\]+", html.replace("http://evil.example", ""))) <= NAMESPACES
    assert found.loads == []
    assert "<img" not in body_of(html)
    assert "\u202e" not in body_of(html)


def test_a_campaign_that_is_not_there_has_no_studio(hostile: Stillwatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no campaign 'c-nothing'"):
        hostile.studio("c-nothing", tmp_path / "studio.html")
    assert not (tmp_path / "studio.html").exists()


def test_in_a_browser_the_charts_are_drawn_the_rows_counted_and_nothing_hostile_becomes_an_element(
    hostile: Stillwatch, studio: Path, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    campaign_id = hostile.campaigns().table["campaign_id"][0].as_py()
    seen = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom",
         "--virtual-time-budget=20000", studio.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    seen = body_of(seen)
    assert seen.count('class="marks"') == 4
    n = len(hostile.members(campaign_id))
    assert f"{min(n, 200):,} of {n:,} rows shown, {n:,} in all" in seen
    assert "<img" not in seen
    assert "&lt;/script&gt;&lt;img src=http://evil.example/x onerror=alert(1)&gt;\\u202e" in seen


def test_a_table_of_the_studio_keeps_what_javascript_would_round(studio: Path) -> None:
    told = [document for document in map(json.loads, scripts_of(studio.read_text()).told) if "rows" in document]
    slices = next(document for document in told if "token_kind" in document["columns"])
    tokens = [row[slices["columns"].index("token")] for row in slices["rows"]]
    assert all(re.fullmatch("[0-9a-f]{16}", token) for token in tokens)
    assert pa.array(tokens).null_count == 0

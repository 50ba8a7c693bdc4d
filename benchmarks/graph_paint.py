"""Milliseconds from the arrival of a large campaign's graph in the browser to its first picture, in headless Chromium.

The console has to be built (`make console`). Run: python benchmarks/graph_paint.py [--members 25000] [--runs 5]
"""

import argparse
import shutil

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from large_world import CAMPAIGN, Caller, Served, asked, serving

PATIENCE_MS = 120_000
PAINTED = """() => {
  for (const layer of document.querySelectorAll('[data-painted] canvas')) {
    const gl = layer.getContext('webgl2');
    if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
  const arrived = performance.getEntriesByType('resource').filter((one) => one.name.includes('/graph?')
    || one.name.endsWith('/graph')).at(-1).responseEnd;
  const named = (name) => performance.getEntriesByName(name).at(-1).startTime - arrived;
  return {parsed: named('graph-here'), painted: named('graph-painted'), finished: performance.now() - arrived};
}"""
"""When the answer had been read, when the first frame was drawn, and when its pixels could be read back."""


def paint(browser: Browser, served: Served, query: str, n_nodes: int) -> dict[str, float]:
    """One fresh page; it must say that it drew `n_nodes`."""
    context = browser.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(f"sessionStorage.setItem('stillwatch.key', '{served.key}')")
    page = context.new_page()
    page.goto(f"{served.url}/console/campaigns/{CAMPAIGN}?tab=graph{query}")
    page.locator(f"[data-painted='{n_nodes}']").wait_for(state="attached")
    found: dict[str, float] = page.evaluate(PAINTED)
    found["said"] = page.get_by_test_id("graph-shown").inner_text()
    context.close()
    return found


def report(served: Served, wanted: argparse.Namespace) -> None:
    print("| level | nodes | answer read, ms | first frame, ms: p50 | most | pixels read back, ms: most |")
    print("|---|---|---|---|---|---|")
    said, caller = "", Caller(served)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for level, query in (("groups", ""), ("accounts", "&level=accounts")):
            graph = caller.seconds(f"/v1/campaigns/{CAMPAIGN}/graph", level=level)[1].json()
            assert graph["accounts_shown"] == graph["accounts_total"] == wanted.members
            runs = [paint(browser, served, query, graph["nodes_shown"]) for _ in range(wanted.runs)]
            parsed, painted, finished = ([run[name] for run in runs] for name in ("parsed", "painted", "finished"))
            print(
                f"| {level} | {graph['nodes_shown']:,} | {np.median(parsed):.0f} | {np.median(painted):.0f} | "
                f"{max(painted):.0f} | {max(finished):.0f} |",
                flush=True,
            )
            said = str(runs[-1]["said"])
            assert f"{wanted.members:,} of {wanted.members:,} accounts" in said
        browser.close()
    print(f"\nThe console says: {said}")


if __name__ == "__main__":
    wanted = asked(__doc__, 30_000, runs=5)
    with serving(wanted) as served:
        report(served, wanted)

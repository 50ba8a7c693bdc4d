"""Milliseconds from the arrival of a large campaign's graph in the browser to its first picture, in headless Chromium.

The console has to be built (`make console`). Run: python benchmarks/graph_paint.py [--members 25000] [--runs 5]
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from listing_pages import CAMPAIGN, PORT, Caller, fill
from stillwatch.model.role import Role
from stillwatch.store.api_keys import ApiKeys
from stillwatch.store.workspace import Workspace

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


def paint(browser: Browser, key: str, query: str, n_nodes: int) -> dict[str, float]:
    """One fresh page; it must say that it drew `n_nodes`."""
    context = browser.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(f"sessionStorage.setItem('stillwatch.key', '{key}')")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{PORT}/console/campaigns/{CAMPAIGN}?tab=graph{query}")
    page.locator(f"[data-painted='{n_nodes}']").wait_for(state="attached")
    found: dict[str, float] = page.evaluate(PAINTED)
    found["said"] = page.get_by_test_id("graph-shown").inner_text()
    context.close()
    return found


def report(caller: Caller, key: str, wanted: argparse.Namespace) -> None:
    print("| level | nodes | answer read, ms | first frame, ms: p50 | most | pixels read back, ms: most |")
    print("|---|---|---|---|---|---|")
    said = ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for level, query in (("groups", ""), ("accounts", "&level=accounts")):
            graph = caller.seconds(f"/v1/campaigns/{CAMPAIGN}/graph", level=level)[1].json()
            assert graph["accounts_shown"] == graph["accounts_total"] == wanted.members
            runs = [paint(browser, key, query, graph["nodes_shown"]) for _ in range(wanted.runs)]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=30_000)
    parser.add_argument("--members", type=int, default=25_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, {platform.machine()}, no GPU, seed {wanted.seed}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace.init(folder / "w", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
        fill(workspace, wanted)
        key = ApiKeys(workspace.state, workspace.keys).create(Role.ANALYST, name="bench", created_at=datetime.now(UTC))
        code = "from stillwatch.cli.app import script; script()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--quiet", "--workspace", str(workspace.path), "serve", "--port", str(PORT)],
            env=os.environ | dict(workspace.environ),
        )
        try:
            caller = Caller(key)
            caller.wait()
            report(caller, key, wanted)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()

"""Milliseconds until rows are there, anywhere in the console's table of a million accounts, in headless Chromium.

The console has to be built (`make console`). Run: python benchmarks/table_scroll.py [--accounts 1000000] [--jumps 60]
"""

import argparse
import shutil

import numpy as np
from playwright.sync_api import Page, sync_playwright

from large_world import Served, asked, serving

PATIENCE_MS = 300_000
ORDERS = ("", "?sort=-n_exchanges", "?tier=none")
JUMP = """async (share) => {
  const began = performance.now();
  performance.clearResourceTimings();
  scrollTo(0, share * (document.documentElement.scrollHeight - innerHeight));
  await new Promise(requestAnimationFrame);
  while (document.querySelector('#main tbody .skeleton') || !document.querySelector('#main tbody a'))
    await new Promise(requestAnimationFrame);
  const shown = performance.now() - began;
  const pages = performance.getEntriesByType('resource').filter((one) => one.name.includes('/v1/accounts?'));
  return { shown, pages: pages.map((one) => one.responseEnd - one.startTime) };
}"""
"""Scrolls to a share of the table; returns when every row in sight is drawn, with how long each page request took."""


def jumps(page: Page, wanted: argparse.Namespace) -> list[dict[str, object]]:
    """`wanted.jumps` leaps to places that the seed chooses, the first and the last row among them."""
    rng = np.random.default_rng(wanted.seed)
    return [page.evaluate(JUMP, share) for share in [1.0, 0.0, *rng.random(wanted.jumps - 2)]]


def line(name: str, took: list[float]) -> str:
    p50, p99, most = (np.quantile(took, q) for q in (0.5, 0.99, 1.0))
    return f"| {name} | {len(took)} | {p50:.0f} | {p99:.0f} | {most:.0f} |"


def report(served: Served, wanted: argparse.Namespace) -> None:
    """One page of the console for each order; the table must say that it holds every row."""
    print("| order | times | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        context = browser.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(f"sessionStorage.setItem('stillwatch.key', '{served.key}')")
        page = context.new_page()
        for order in ORDERS:
            page.goto(f"{served.url}/console/accounts{order}")
            page.locator("#main tbody a").first.wait_for()
            n = wanted.accounts - (wanted.members if "none" in order else 0)
            assert page.locator("#main table").get_attribute("aria-rowcount") == str(n + 1)
            before = served.cpu_seconds()
            found = jumps(page, wanted)
            name = order or "as listed"
            pages = [took for one in found for took in one["pages"]]  # type: ignore[attr-defined]
            cost = 1000 * (served.cpu_seconds() - before) / len(pages)
            print(line(f"{name}: page requests, {cost:.0f} ms of the server's CPU each", pages))
            print(line(f"{name}: from scrolling to rows", [one["shown"] for one in found]), flush=True)  # type: ignore[misc]
        browser.close()


if __name__ == "__main__":
    wanted = asked(__doc__, 1_000_000, jumps=60)
    with serving(wanted) as served:
        report(served, wanted)

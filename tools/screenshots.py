"""Pictures of every screen of the console, in both themes, over a real server and a workspace with findings.

stillwatch demo
make console
python tools/screenshots.py stillwatch-demo/workspace --keys stillwatch-demo/keys.json -o out/screenshots
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

STILLWATCH: Final = (sys.executable, "-c", "from stillwatch.cli.app import script; script()")
WIDE: Final = {"width": 1440, "height": 900}
NARROW: Final = {"width": 320, "height": 800}
POLICY: Final = """
[limits]
max_share_per_hour = 1.0
two_people_share = 1.0

[[rules]]
name = "slow-down"
action = "rate_limit"
requests_per_minute = 2
mode = "shadow"
min_token_kinds = 2
expires_after = "14d"
"""
HYPOTHESIS: Final = """
[[hypotheses]]
kind = "{kind}"
statement = "{statement}"
likelihood = "{likelihood}"
confidence = "low"
supporting = [{{ kind = "observation", says = "{reason}" }}]
"""
HYPOTHESES: Final = (
    ("operator", "One operator trains a model on the answers.", "likely", "One queue deals out the work."),
    ("reseller", "Somebody sells access on to others.", "unlikely", "No two accounts differ as customers do."),
    ("honest_customer", "It is one customer's bulk work.", "very unlikely", "No contract is on record."),
    ("framing", "Somebody wants others to be accused.", "almost no chance", "The volume is too dear for that."),
)
SECONDS: Final = 120.0
"""How long a screen or the server may take on a machine that does much else."""


def main() -> None:
    """Start a server, walk through the screens, stop it."""
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("workspace", type=Path)
    wanted.add_argument("--keys", type=Path, help="the workspace's keys.json")
    wanted.add_argument("-o", "--out", type=Path, default=Path("out/screenshots"))
    wanted.add_argument("--only", default="", help="screens whose name has this in it")
    asked = wanted.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    environ = os.environ | ({"STILLWATCH_KEYS": str(asked.keys)} if asked.keys else {})
    with served(asked.workspace, environ) as (url, key), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for theme in ("light", "dark"):
            _walk(browser, url, key, theme, asked.out, asked.only)
        browser.close()


@contextmanager
def served(workspace: Path, environ: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The address of a server over a copy of the workspace in which people have worked, and a key to it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(workspace, Path(folder) / "workspace")
        with _serving((*STILLWATCH, "--workspace", str(copy)), environ) as (url, key):
            _work((*STILLWATCH, "--workspace", str(copy)), environ, url, key)
            yield url, key


def _work(command: tuple[str, ...], environ: dict[str, str], url: str, key: str) -> None:
    """What fills the screens of people's work: a policy in shadow, an appeal, an assessment, a dossier, a judgement."""
    campaign = _first(f"{url}/v1/campaigns?limit=1", key)["campaign_id"]
    account = _first(f"{url}/v1/accounts?limit=1", key)["account_id"]
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as events:
        events.write(f"event_id,account_id,event_time,event_name\nask-1,{account},2026-05-06T09:00:00Z,appeal_opened\n")
        events.flush()
        subprocess.run(
            [*command, "--quiet", "ingest", "account-events", events.name],
            env=environ,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    names = ("kind", "statement", "likelihood", "reason")
    parts = [HYPOTHESIS.format(**dict(zip(names, said, strict=True))) for said in HYPOTHESES]
    _post(f"{url}/v1/apply", key, {"policy": POLICY})
    _post(f"{url}/v1/attributions", key, {"assessment": f'campaign = "{campaign}"\n{"".join(parts)}'})
    _post(f"{url}/v1/campaigns/{campaign}/dossier", key, {})
    _post(f"{url}/v1/judgements", key, {"subject_id": campaign, "verdict": "distillation", "note": "one queue"})


def _post(address: str, key: str, said: dict[str, str]) -> None:
    headers = {"x-stillwatch-key": key, "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(said).encode(), headers)) as answer:
        answer.read()


@contextmanager
def _serving(command: tuple[str, ...], environ: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The address of a server, and a key to it."""
    made = subprocess.run(
        [*command, "keys", "create", "--role", "admin", "--name", "Robin Ek"],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, "serve", "--port", str(port)], env=environ, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url)
        yield url, made.stdout.strip()
    finally:
        process.terminate()
        process.wait(SECONDS)


def _wait(url: str) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def _walk(browser: Browser, url: str, key: str, theme: str, out: Path, only: str) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme=theme, reduced_motion="reduce")
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    page.goto(f"{url}/console/")
    page.screenshot(path=out / f"login-{theme}.png")
    page.get_by_role("textbox").fill(key)
    page.keyboard.press("Enter")
    page.locator("#main h1").wait_for()
    for name, path in screens(url, key).items():
        if only in name:
            _picture(page, f"{url}/console{path}", out / f"{name}-{theme}.png")
    if only in ("", "narrow"):
        page.set_viewport_size(NARROW)
        for name, path in screens(url, key).items():
            _picture(page, f"{url}/console{path}", out / f"narrow-{name}-{theme}.png")
    context.close()


def _picture(page: Page, address: str, path: Path) -> None:
    page.evaluate("sessionStorage.removeItem('stillwatch.tray')")
    page.goto(address)
    page.locator("#main h1").first.wait_for()
    page.locator("#main .skeleton").first.wait_for(state="detached", timeout=SECONDS * 1000)
    if path.stem.startswith("response-try"):
        page.locator("form button[type=submit]").click()
        page.locator("main dl").first.wait_for()
    page.wait_for_timeout(400)
    page.screenshot(path=path)


def screens(url: str, key: str) -> dict[str, str]:
    """The address of every screen below `/console`, by the name of its picture."""
    campaign = _first(f"{url}/v1/campaigns?limit=1", key)["campaign_id"]
    account = _first(f"{url}/v1/accounts?limit=1", key)["account_id"]
    token = _first(f"{url}/v1/campaigns/{campaign}/tokens?limit=1", key)
    tabs = ("evidence", "accounts", "graph", "timeline", "tokens", "exposure", "response", "attribution", "history")
    return {
        "overview": "/",
        "campaigns": f"/campaigns?at={campaign}&peek=1",
        **{f"campaign-{tab}": f"/campaigns/{campaign}?tab={tab}" for tab in tabs},
        "campaign-groups": f"/campaigns/{campaign}?tab=graph&level=groups",
        "campaign-dossier": f"/campaigns/{campaign}?tab=dossier&audience=peer&to=A+laboratory",
        "campaign-sharing": f"/campaigns/{campaign}?tab=sharing&to=A+laboratory&profile=peer",
        "accounts": "/accounts",
        "account": f"/accounts/{account}",
        "search": "/search?q=ac_05",
        "token": f"/tokens/{token['token_kind']}/{token['token']}",
        "response": "/response",
        "response-try": "/response?tab=try",
        "response-appeals": f"/response?tab=appeals&account={account}",
        "response-kill": "/response?tab=kill",
        "sharing": "/sharing",
        "dossiers": "/sharing?tab=dossiers",
        "provenance": "/provenance",
        "health": "/health",
        "health-fields": "/health?tab=fields",
        "keys": "/access",
        "audit": "/access?tab=audit",
        "tray": f"/campaigns?pick={campaign}&at={campaign}",
    }


def _first(address: str, key: str) -> dict[str, str]:
    with urllib.request.urlopen(urllib.request.Request(address, headers={"x-stillwatch-key": key})) as answer:
        found: dict[str, str] = json.load(answer)["rows"][0]
        return found


if __name__ == "__main__":
    main()

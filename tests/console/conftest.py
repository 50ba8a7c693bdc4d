"""A browser that may talk to this machine only, and whose console has to stay silent."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright

from stillwatch.api.console import BUNDLE
from stillwatch.model.role import Role
from tests.api.served import Served, serving, settings
from tests.console.worlds import HOSTILE_NOTE, hostile_assessment, workspace

expect.set_options(timeout=30_000)  # far above what a busy machine needs
LOOPBACK = {"127.0.0.1", "localhost"}
SCREENS = {
    "overview": "/",
    "campaigns": "/campaigns?at=c-001&peek=1&pick=c-002",
    **{
        f"campaign {tab}": f"/campaigns/c-000?tab={tab}"
        for tab in (
            "evidence",
            "accounts",
            "graph",
            "timeline",
            "tokens",
            "exposure",
            "response",
            "attribution",
            "history",
        )
    },
    "campaign dossier": "/campaigns/c-000?tab=dossier&audience=peer&to=a+laboratory",
    "campaign sharing": "/campaigns/c-000?tab=sharing&to=a+laboratory",
    "accounts": "/accounts",
    "account": "/accounts/acct-0000",
    "search": "/search?q=acct-00",
    "token": "/tokens/system/4611686018427387905",
    "response": "/response",
    "try a policy": "/response?tab=try",
    "decisions": "/response?tab=decisions",
    "appeals": "/response?tab=appeals&account=acct-0000",
    "kill switch": "/response?tab=kill",
    "sharing": "/sharing",
    "dossiers": "/sharing?tab=dossiers",
    "sighted": "/sharing?tab=sighted",
    "provenance": "/provenance",
    **{
        f"health {tab}": f"/health?tab={tab}"
        for tab in ("sources", "fields", "batches", "pulse", "screening", "webhooks")
    },
    "keys": "/access",
    "audit": "/access?tab=audit",
}
"""Every screen and every part of one, by address."""
NOTHING_YET = ("Failed to load resource: the server responded with a status of 409",)
"""What the browser itself writes where no policy was applied yet, which the screen explains."""


@dataclass
class Watched:
    """A page, and everything it did that it must not do."""

    page: Page
    served: Served
    outside: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()
    """Beginnings of messages that a test expects."""

    def open(self, path: str) -> None:
        """Go to an address of the console and wait until its title is drawn and nothing loads."""
        self.page.goto(f"{self.served.url}/console{path}")
        self.settle()

    def go(self, path: str) -> None:
        """Go to an address as the back button does, within the page that is open."""
        self.page.evaluate(
            "to => { history.pushState({ scroll: 0 }, '', to); dispatchEvent(new PopStateEvent('popstate')); }",
            f"/console{path}",
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the screen's title is there and no grey bars are."""
        self.page.locator("#main h1").first.wait_for()
        expect(self.page.locator("#main .skeleton")).to_have_count(0)

    def check(self) -> None:
        """Raise if the page called another machine or wrote an error."""
        assert not self.outside, f"calls to elsewhere: {self.outside}"
        faults = [fault for fault in self.faults if not fault.startswith(self.allowed)]
        assert not faults, f"the page complained: {faults}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    if not (BUNDLE / "index.html").is_file():
        pytest.skip("the console is not built: make console")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path)
        yield made
        made.close()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a workspace with campaigns."""
    folder = tmp_path_factory.mktemp("console")
    with workspace(folder / "found") as made, serving(made, settings(drain=False)) as running:
        said = {"subject_id": "c-001", "verdict": "unsure", "note": HOSTILE_NOTE}
        assert running[Role.ADMIN].post("/v1/judgements", json=said).status_code == 201
        key = {"role": "peer", "name": HOSTILE_NOTE}
        assert running[Role.ADMIN].post("/v1/keys", json=key).status_code == 201
        assessment = running[Role.RESPONDER].post("/v1/attributions", json={"assessment": hostile_assessment()})
        assert assessment.status_code == 201, assessment.text
        yield running


@pytest.fixture
def visit(browser: Browser, found: Served) -> Iterator[Callable[..., Watched]]:
    """Makes pages that are signed in; at the end of the test each of them has to have behaved."""
    opened: list[tuple[BrowserContext, Watched]] = []

    def enter(role: Role | None = Role.ADMIN, **options: object) -> Watched:
        context = browser.new_context(
            **{"viewport": {"width": 1360, "height": 860}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(30_000)
        watched = Watched(context.new_page(), found)
        opened.append((context, watched))
        _watch(context, watched)
        if role is not None:
            key = found.keys[role]
            context.add_init_script(
                f"sessionStorage.getItem('stillwatch.key') ?? sessionStorage.setItem('stillwatch.key', '{key}')"
            )
        return watched

    yield enter
    for context, _watched in opened:
        context.close()
    for _context, watched in opened:
        watched.check()


def _watch(context: BrowserContext, watched: Watched) -> None:
    def judge(route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in {"data", "blob"} or url.hostname in LOOPBACK:
            route.continue_()
        else:
            watched.outside.append(route.request.url)
            route.abort()

    def said(message: ConsoleMessage) -> None:
        # A software renderer says how slow it is where the graph is read back; it is no fault of the page.
        if message.type in {"error", "warning"} and "GL Driver Message" not in message.text:
            watched.faults.append(message.text)

    context.route("**/*", judge)
    watched.page.on("console", said)
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    watched.page.on("dialog", lambda dialog: (watched.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))


def prefer(watched: Watched, **chosen: object) -> None:
    """Set what a person prefers, before the page is opened."""
    watched.page.context.add_init_script(
        f"localStorage.setItem('stillwatch.preferences', {json.dumps(json.dumps(chosen))!s})"
    )

"""The console's files: open, sealed off from everything else, and absent without breaking anything."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from stillwatch.api.console import POLICY, Console
from stillwatch.api.roles import open_route
from tests.api.served import Served


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "assets" / "index-abc.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


def get(bundle: Path, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=Console(bundle).routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(asked())


def test_every_address_of_the_console_answers_with_the_page(bundle: Path) -> None:
    for path in ("/console/", "/console/campaigns/c-1", "/console/accounts/a%2Fb"):
        answer = get(bundle, path)
        assert (answer.status_code, answer.text) == (200, "<!doctype html><title>console</title>")
        assert answer.headers["cache-control"] == "no-cache"


def test_files_with_a_digest_in_their_name_are_kept_for_ever(bundle: Path) -> None:
    answer = get(bundle, "/console/assets/index-abc.js")
    assert answer.text == "export {}"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_a_client_that_takes_no_gzip_gets_the_plain_file(bundle: Path) -> None:
    packed = get(bundle, "/console/", headers={"accept-encoding": "gzip"})
    plain = get(bundle, "/console/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text


def test_an_asset_that_is_not_there_is_not_answered_with_the_page(bundle: Path) -> None:
    assert get(bundle, "/console/assets/index-old.js").status_code == 404


@pytest.mark.parametrize(
    "path", ["/console/..%2fsecret.txt", "/console/assets/..%2f..%2fsecret.txt", "/console/%2e%2e/secret.txt"]
)
def test_no_path_leaves_the_bundle(bundle: Path, path: str) -> None:
    assert "outside" not in get(bundle, path).text


def test_the_policy_lets_nothing_from_elsewhere_in(bundle: Path) -> None:
    answer = get(bundle, "/console/")
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_without_a_bundle_a_page_says_how_to_build_it(tmp_path: Path) -> None:
    answer = get(tmp_path / "none", "/console/")
    assert answer.status_code == 503
    assert "make console" in answer.text


def test_only_paths_below_the_console_are_open() -> None:
    assert open_route("/console/campaigns") == "/console/{path:path}"
    assert open_route("/console") == "/console"
    assert open_route("/consoles") is None
    assert open_route("/v1/campaigns") is None


def test_the_server_gives_the_console_to_anybody_and_its_data_to_nobody_without_a_key(shared: Served) -> None:
    page = shared[None].get("/console/")
    assert page.status_code in {200, 503}  # 503 in a checkout where it was not built
    assert page.headers["content-security-policy"] == POLICY
    assert shared[None].get("/console", follow_redirects=False).headers["location"] == "/console/"
    assert shared[None].get("/v1/campaigns").status_code == 401

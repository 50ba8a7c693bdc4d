"""The console in the package: there without Node where it was built, and missing without harm where it was not."""

import os
import re
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from stillwatch.api.console import BUNDLE
from tests.api.served import wait_until
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.console

PARTS = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src")


def without_node() -> dict[str, str]:
    """The environment with a PATH on which there is no Node."""
    return os.environ | {"PATH": "/nonexistent"}


def built(source: Path, out: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=source, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def a_checkout(folder: Path, *, has_bundle: bool) -> Path:
    """A copy of what the package is built from, without the console's sources."""
    folder.mkdir()
    leave_out = shutil.ignore_patterns("__pycache__", *(() if has_bundle else ("console_assets",)))
    for name in PARTS:
        place = REPOSITORY / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=leave_out)
        else:
            shutil.copy(place, folder / name)
    return folder


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("*.whl")
    return found


def test_without_node_and_bundle_the_package_is_built_and_says_what_it_lacks(tmp_path: Path) -> None:
    done = built(a_checkout(tmp_path / "checkout", has_bundle=False), tmp_path / "dist", without_node())
    assert done.returncode == 0, done.stderr
    assert "no console in it" in done.stdout + done.stderr
    names = zipfile.ZipFile(wheel(tmp_path / "dist")).namelist()
    assert "stillwatch/api/console.py" in names
    assert not [name for name in names if "console_assets" in name]


def test_a_release_is_not_built_without_the_console(tmp_path: Path) -> None:
    environ = without_node() | {"STILLWATCH_REQUIRE_CONSOLE": "1"}
    done = built(a_checkout(tmp_path / "checkout", has_bundle=False), tmp_path / "dist", environ)
    assert done.returncode != 0
    assert "the console is not in this package" in done.stdout + done.stderr


def test_an_installed_wheel_serves_the_console_without_node(tmp_path: Path) -> None:
    if not (BUNDLE / "index.html").is_file():
        pytest.skip("the console is not built: make console")
    done = built(a_checkout(tmp_path / "checkout", has_bundle=True), tmp_path / "dist", without_node())
    assert done.returncode == 0, done.stderr
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel(tmp_path / "dist")).extractall(packages)
    # Dependencies come from the environment of the tests; a .pth in a folder that is added so is not read, so that
    # stillwatch itself can only come from the wheel.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    command = [str(home / "bin" / "python"), "-I", "-c", "from stillwatch.cli.app import script; script()",
               "--workspace", str(tmp_path / "workspace")]  # fmt: skip
    environ = without_node() | {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    subprocess.run([*command, "init"], env=environ, check=True, capture_output=True)
    port = _free_port()
    server = subprocess.Popen([*command, "serve", "--port", str(port)], env=environ, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{url}/readyz"))
        page = httpx.get(f"{url}/console/")
        (script,) = re.findall(r'<script type="module" crossorigin src="([^"]+)"', page.text)
        assert httpx.get(f"{url}{script}").headers["content-type"].startswith("text/javascript")
    finally:
        server.terminate()
        server.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port

"""What the built console weighs and holds."""

import gzip
import json
import re

import pytest

from stillwatch.api.console import BUNDLE
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.console

MOST_BYTES = 200_000


def test_the_whole_bundle_is_under_200_kilobytes_packed() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in BUNDLE.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < MOST_BYTES, sizes


def test_no_file_of_the_bundle_names_another_machine() -> None:
    known = {"www.w3.org", "svelte.dev"}  # names of XML namespaces, and addresses in messages of errors
    for path in BUNDLE.rglob("*"):
        if path.suffix in {".js", ".css", ".html"}:
            hosts = set(re.findall(r"https?://([\w.-]+)", path.read_text()))
            assert hosts <= known, f"{path.name}: {hosts - known}"


def test_the_lock_file_has_digests_and_no_addresses() -> None:
    packages = json.loads((REPOSITORY / "console" / "package-lock.json").read_text())["packages"]
    others = {name: package for name, package in packages.items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in others.values())
    assert not [name for name, package in others.items() if "resolved" in package]

"""The site has every page once, every picture, and a reference that names everything in the code."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from stillwatch.api.roles import ACCESS
from stillwatch.cli.app import VERBS
from stillwatch.model.tables import TABLES
from stillwatch.signals import catalog
from tests.docs.blocks import REPOSITORY, pages

DOCS = REPOSITORY / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
OUTSIDE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(https?://[^"')\s>]+)""")


def entries(node: object) -> list[str]:
    """The pages below one node of the navigation."""
    if isinstance(node, str):
        return [node]
    parts = node.values() if isinstance(node, dict) else node
    assert not isinstance(parts, str)
    return [page for part in parts for page in entries(part)]  # type: ignore[union-attr]


def navigation() -> list[str]:
    return entries(tomllib.loads((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = spec_from_file_location("reference", REPOSITORY / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once() -> None:
    shown = [page for page in navigation() if not page.startswith("reference/")]
    written = [str(file.relative_to(DOCS)) for file in pages() if file.is_relative_to(DOCS)]
    assert sorted(shown) == sorted(page for page in written if not page.startswith("design/"))


def test_every_link_of_readme_and_pages_leads_to_a_file() -> None:
    broken = []
    for page in pages():
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            is_outside = target.startswith(("http://", "https://", "mailto:"))
            if not is_outside and "reference/" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert not broken


def test_the_reference_pages_of_the_navigation_are_those_that_are_made(tool: ModuleType) -> None:
    assert sorted(page for page in navigation() if page.startswith("reference/")) == sorted(
        f"reference/{name}" for name in tool.PAGES
    )


def test_the_reference_names_every_verb_table_signal_and_route(tool: ModuleType) -> None:
    commands, tables, signals, routes = tool.cli(), tool.tables(), tool.signals(), tool.api()
    assert [verb for verb in VERBS if f"\n## stillwatch {verb}\n" not in commands] == []
    assert [table.name for table in TABLES if f"\n## {table.name}\n" not in tables] == []
    columns = {name for table in TABLES for name in table.schema.names}
    assert [name for name in columns if f"| `{name}` |" not in tables] == []
    assert [one.name for one in catalog() if one.innocent_cause not in signals] == []
    assert [path for method, path in ACCESS if f"\n## {method} {path}\n" not in routes] == []


def test_the_reference_names_every_setting(tool: ModuleType) -> None:
    settings = tool.settings()
    assert "| `detect.alpha` | `0.0001` |" in settings
    assert settings.count("\n| `") > 100


@pytest.mark.slow
def test_the_site_is_built_strictly_and_loads_nothing_from_elsewhere(tool: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("reference"))
    shutil.copy(REPOSITORY / "zensical.toml", tmp_path)
    tool.main(tmp_path / "docs" / "reference")
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=tmp_path, check=True, timeout=300,
        capture_output=True,
    )  # fmt: skip
    files = list((tmp_path / "build" / "site").rglob("*.html"))
    assert len(files) > len(navigation())
    loaded = {
        address for file in files for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", file.read_text())
        for address in OUTSIDE.findall(tag)
    }  # fmt: skip
    assert not loaded

"""Puts the built console into wheels and source archives; without Node the package is built without it, and says so."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = "src/stillwatch/console_assets"
REQUIRE = "STILLWATCH_REQUIRE_CONSOLE"
"""Set for a release: a package without the console is then an error."""


class ConsoleHook(BuildHookInterface):
    """Builds the console where its sources and npm are there and no bundle newer than them is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing; an editable install leaves that to `make console`."""
        root = Path(self.root)
        if version == "editable":
            return
        fault = _built(root)
        if fault and os.environ.get(REQUIRE):
            raise RuntimeError(f"the console is not in this package: {fault}")
        if fault:
            self.app.display_warning(f"this package has no console in it: {fault}")
        elif (root / BUNDLE).is_dir():
            build_data["artifacts"].append(f"/{BUNDLE}/**")


def _built(root: Path) -> str | None:
    """Build the bundle if it has to be; None when it is there, else why it is not."""
    console, page = root / "console", root / BUNDLE / "index.html"
    if page.is_file() and not _is_older(page, console):
        return None
    npm = shutil.which("npm")
    if not (console / "package.json").is_file() or npm is None:
        return "it needs the sources in console/ and npm (Node 20.19 or later); then `make console` builds it"
    for command in ([npm, "ci"], [npm, "run", "build"]):
        done = subprocess.run(command, cwd=console, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"`{' '.join(command[1:])}` in console/ failed: {done.stderr.strip()[-500:]}"
    return None


def _is_older(page: Path, console: Path) -> bool:
    """Whether a source of the console is newer than the built page."""
    sources = [*console.glob("*.*"), *(path for path in (console / "src").rglob("*") if path.is_file())]
    return any(source.stat().st_mtime > page.stat().st_mtime for source in sources)

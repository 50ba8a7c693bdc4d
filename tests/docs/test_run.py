"""The commands of the documentation run, page by page, from top to bottom, in a clean folder.

Beside them lie `stillwatch-workspace` (a copy of what `stillwatch demo` made), its keys, its telemetry in `world/`, and
logs of gateways in `logs/` and `edge/`. `c-abcd1234` and `acct-42` stand for its first campaign and an account of it.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from tests.docs.blocks import REPOSITORY, Block, blocks_of, files_of, pages
from tests.small_world import CONFIG, found_world, opened, small_world

__all__ = ["found_world", "small_world"]

CAMPAIGN, ACCOUNT, PORT = "c-abcd1234", "acct-42", "8721"
QUICK_PAGE = REPOSITORY / "docs" / "analyst.md"
"""The page whose commands the default run calls, in this process; `make docs-test` runs all pages in a shell."""
NOTEBOOK_PAGE = REPOSITORY / "docs" / "notebook.md"
RUNNABLE = [page for page in pages() if any(block.kind != "read" for block in blocks_of(page))]
INTERPRETER = shlex.join([sys.executable, "-c", "from stillwatch.cli.app import script; script()"])
"""`stillwatch` as this very interpreter runs it. A server is started so and not by the shim, whose id is a shell's."""
SERVING = """
{interpreter} {arguments} > server.out 2> server.log &
echo $! > server.pid
for attempt in $(seq 300); do curl -sf http://127.0.0.1:{port}/readyz > /dev/null && break; sleep 0.2; done
curl -sf http://127.0.0.1:{port}/readyz > /dev/null
"""
ENDING = """
if [ -f server.pid ]; then kill "$(cat server.pid)"; wait "$(cat server.pid)" || true; fi
"""


@dataclass(frozen=True)
class Demonstration:
    """What `stillwatch demo` left, and the ids that stand in for those of the pages."""

    folder: Path
    campaign_id: str
    account_id: str


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    folder = tmp_path_factory.mktemp("demonstration") / "stillwatch-demo"
    run = lambda *words: subprocess.run(  # noqa: E731
        [sys.executable, "-c", "from stillwatch.cli.app import script; script()", *words],
        env=os.environ | {"STILLWATCH_KEYS": str(folder / "keys.json")}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    run("demo", str(folder))
    told = ["--workspace", str(folder / "workspace")]
    campaign = json.loads(run(*told, "campaigns", "--format", "json"))[0]["campaign_id"]
    accounts = json.loads(run(*told, "accounts", "--format", "json"))
    return Demonstration(
        folder, campaign, next(row["account_id"] for row in accounts if row["campaign_id"] == campaign)
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in RUNNABLE])
def test_a_page_runs_from_top_to_bottom(page: Path, demonstration: Demonstration, tmp_path: Path) -> None:
    laid_out(page, demonstration, tmp_path)
    stand_ins = {CAMPAIGN: demonstration.campaign_id, ACCOUNT: demonstration.account_id, PORT: str(free_port())}
    parts = ["set -euo pipefail", shim()]
    parts += [as_shell(block, stand_ins) for block in blocks_of(page) if block.kind != "read"]
    ran = subprocess.run(
        ["bash", "-c", "\n".join([*parts, ENDING])],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"


def test_the_commands_of_the_analyst_run(
    found_world: Path, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(found_world, tmp_path / "stillwatch-workspace")
    with opened(found_world, small_world) as watch:
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        account_id = watch.members(campaign_id).table["account_id"][0].as_py()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    monkeypatch.setenv("STILLWATCH_DETECT__WINDOW_DAYS", str(CONFIG.detect.window_days))
    stand_ins = {CAMPAIGN: campaign_id, ACCOUNT: account_id}
    commands = [command for block in blocks_of(QUICK_PAGE) for command in block.commands()]
    assert len(commands) > 5
    for command in commands:
        words = [stand_ins.get(word, word) for word in shlex.split(command)]
        assert words[0] == "stillwatch"
        assert main(words[1:]) == 0, command


def test_the_python_of_the_notebook_page_runs(
    found_world: Path, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(found_world, tmp_path / "stillwatch-workspace")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    text = NOTEBOOK_PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    known: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, NOTEBOOK_PAGE.name, "exec"), known)
    reports = known["reports"]
    assert [report.rows_out for report in reports] == [2]  # type: ignore[attr-defined]
    assert (tmp_path / "waterfall.html").stat().st_size > 500_000
    assert (tmp_path / "studio.html").stat().st_size > 500_000


def laid_out(page: Path, demonstration: Demonstration, folder: Path) -> None:
    """Everything that the page's commands find in their folder."""
    shutil.copytree(demonstration.folder / "workspace", folder / "stillwatch-workspace")
    shutil.copy(demonstration.folder / "keys.json", folder / "keys.json")
    (folder / "world").symlink_to(demonstration.folder / "world")
    for name, source in (("logs/calls.jsonl", "litellm"), ("edge/access.jsonl", "envoy")):
        (folder / name).parent.mkdir()
        (folder / name).write_text(sound_lines(source), encoding="utf-8")
    for name, text in files_of(page).items():
        (folder / name).write_text(text, encoding="utf-8")


def sound_lines(source: str) -> str:
    """The lines of a source's sample that it does not reject."""
    samples = REPOSITORY / "tests" / "sources" / source
    rejected = {reject["line_no"] for reject in json.loads((samples / "rejected.jsonl.json").read_text())}
    lines = (samples / "sample.jsonl").read_text(encoding="utf-8", errors="replace").split("\n")
    return "".join(f"{line}\n" for number, line in enumerate(lines, start=1) if line and number not in rejected)


def environment(folder: Path) -> dict[str, str]:
    """The variables of a person who has nothing but this folder."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "JAVA_HOME") if name in os.environ}
    return kept | {"HOME": str(folder / "home"), "STILLWATCH_KEYS": str(folder / "keys.json"), "NO_COLOR": "1"}


def shim() -> str:
    """`stillwatch` as a function of the shell."""
    return f'stillwatch() {{ {INTERPRETER} "$@"; }}'


def as_shell(block: Block, stand_ins: dict[str, str]) -> str:
    """The block's text with real ids; a server goes to the background."""
    text = block.text
    for told, real in stand_ins.items():
        text = text.replace(told, real)
    if block.kind == "serves":
        (call,) = block.calls()
        arguments = shlex.join(stand_ins.get(word, word) for word in call)
        text = SERVING.format(interpreter=INTERPRETER, arguments=arguments, port=stand_ins[PORT])
    return f"echo {shlex.quote(f'== {block.place}')} >&2\n{text}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

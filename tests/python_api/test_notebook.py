"""The example notebook runs as it is, and says what the command line and the REST interface say."""

import json
import re
from pathlib import Path

import httpx
import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient

from stillwatch.cli.app import main
from stillwatch.model.role import Role
from tests.api.served import serving, settings
from tests.conftest import REPOSITORY
from tests.small_world import copied, found_world, opened, small_world

__all__ = ["found_world", "small_world"]

NOTEBOOK = REPOSITORY / "examples" / "first_look.ipynb"
COMPARED = ("campaign_id", "tier", "n_accounts", "n_exchanges", "score", "q_value", "nearest_lookalike")


@pytest.fixture(scope="module")
def executed(found_world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook after its last cell, on the small world; one more cell writes what it had found."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(campaigns.write_json())"))
    notebook.cells.append(
        nbformat.v4.new_code_cell("print(accounts.select('account_id', 'tier', 'score').write_json())")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILLWATCH_WORKSPACE", str(found_world))
        patch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        folder = tmp_path_factory.mktemp("notebook")
        return NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()


def printed(executed: nbformat.NotebookNode, cell: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(executed.cells[cell].outputs[0].text)
    return rows


def test_the_campaigns_of_the_notebook_are_those_of_the_command_line(
    executed: nbformat.NotebookNode,
    found_world: Path,
    small_world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    file = tmp_path / "campaigns.json"
    assert main(["--workspace", str(found_world), "campaigns", "--format", "json", "-o", str(file)]) == 0
    by_command = [[row[name] for name in COMPARED] for row in json.loads(file.read_text())]
    assert [[row[name] for name in COMPARED] for row in printed(executed, -2)] == by_command
    assert by_command


def test_campaigns_and_accounts_of_the_notebook_are_those_of_the_rest_interface(
    executed: nbformat.NotebookNode, found_world: Path, small_world: Path, tmp_path: Path
) -> None:
    with copied(found_world, tmp_path / "served", small_world) as watch, serving(watch.workspace, settings()) as served:
        campaigns = everything(served[Role.ANALYST], "/v1/campaigns")
        accounts = everything(served[Role.ANALYST], "/v1/accounts")
    assert [[row[name] for name in COMPARED] for row in printed(executed, -2)] == [
        [row[name] for name in COMPARED] for row in campaigns
    ]
    assert printed(executed, -1) == [{name: row[name] for name in ("account_id", "tier", "score")} for row in accounts]


def everything(client: httpx.Client, path: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(path, params={"limit": "500", **cursor}).raise_for_status().json()
        rows += page["rows"]
        if page["next"] is None:
            return rows
        cursor = {"cursor": page["next"]}


def test_the_notebook_says_without_network_what_the_workspace_holds(
    executed: nbformat.NotebookNode, found_world: Path, small_world: Path
) -> None:
    outputs = "".join(json.dumps(cell.get("outputs", [])) for cell in executed.cells)
    assert set(re.findall(r"https?://[\w.]+", outputs)) <= {"http://www.w3.org"}
    assert outputs.count("<svg") == 4
    with opened(found_world, small_world) as watch:
        seen: pa.Table = watch.accounts().table
    assert f"of {seen.num_rows:,} rows" in outputs


def test_the_notebook_is_committed_without_what_a_run_left() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)

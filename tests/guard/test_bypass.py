"""Nothing but the guard hands bytes to a peer."""

import ast
import json
import random
import re
from pathlib import Path

import pytest

import stillwatch
from stillwatch.errors import GuardRefused
from stillwatch.guard import Cleared, Guard
from stillwatch.guard.channel import Peer, write_bundle
from tests.guard.conftest import Record, offer, passage
from tests.guard.objects import campaign

ROOT = Path(stillwatch.__file__).parent
NETWORK = {"http", "socket", "ssl", "smtplib", "ftplib", "httpx", "requests", "aiohttp", "taxii2client", "telnetlib"}
OWN_MACHINES = {"engines/session.py": {"create_connection"}, "store/storage.py": {"gethostname"}}
"""Modules that use `socket` for the deployment's own cluster or host name, and what they use of it."""
OWN_ENDPOINTS = "response/webhooks/post.py"
"""Hands the operator's own systems counts of campaigns (docs/design/2026-11-23-watching.md); no peer is ever one."""

SUSPECTS = "provenance/probe/client.py"
"""Asks a suspect's endpoint what a registered plan says; it sends prompts of the plan and nothing that was found."""


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def test_no_module_outside_of_guard_opens_a_connection() -> None:
    found = {}
    for file in ROOT.rglob("*.py"):
        place = file.relative_to(ROOT).as_posix()
        names = imported(ast.parse(file.read_text()))
        opened = {name for name in names if name.split(".")[0] in NETWORK or name.startswith("urllib.request")}
        if opened and not place.startswith("guard/") and place not in (OWN_ENDPOINTS, SUSPECTS):
            found[place] = opened
    assert found.keys() <= OWN_MACHINES.keys()
    assert all(names == {"socket"} for names in found.values())


def test_what_reaches_the_operators_endpoints_is_called_by_deliveries_alone() -> None:
    module = OWN_ENDPOINTS.removesuffix(".py").replace("/", ".")
    users = {
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.py")
        if any(name.startswith(f"stillwatch.{module}") for name in imported(ast.parse(file.read_text())))
    }
    assert users == {"response/webhooks/__init__.py", "response/webhooks/delivery.py"}
    assert not [file for file in ROOT.glob("sharing/**/*.py") if "webhooks" in file.read_text()]


def test_what_asks_suspects_is_used_by_provenance_and_its_callers_and_never_by_sharing() -> None:
    module = f"stillwatch.{SUSPECTS.removesuffix('.py').replace('/', '.')}"
    users = {
        file.relative_to(ROOT).parts[0]
        for file in ROOT.rglob("*.py")
        if any(name.startswith(module) for name in imported(ast.parse(file.read_text())))
    }
    assert users <= {"provenance", "pipeline", "cli"}
    assert not [file for file in ROOT.glob("sharing/**/*.py") if "provenance" in file.read_text()]


@pytest.mark.parametrize(("place", "allowed"), OWN_MACHINES.items())
def test_modules_that_reach_the_own_cluster_use_nothing_else(place: str, allowed: set[str]) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse((ROOT / place).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "socket"
    }
    assert used == allowed


def test_no_module_outside_of_guard_touches_the_seal() -> None:
    users = {
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.py")
        if "_SEAL" in file.read_text() and "clearance" in file.read_text() + file.name
    }
    assert users <= {"guard/clearance.py"}


def test_every_seal_is_made_in_guard_alone() -> None:
    users = {
        file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if re.search(r"\b_SEAL\b", file.read_text())
    }
    assert users == {"guard/clearance.py", "guard/matching.py"}


@pytest.mark.parametrize("seal", [None, object(), "seal"])
def test_objects_cannot_be_cleared_without_the_guard(seal: object) -> None:
    with pytest.raises(TypeError, match=r"Guard\.clear"):
        Cleared(seal, [b"{}"], "r", passage(), None)


@pytest.mark.parametrize("wrong", [b"{}", {"objects": []}, None])
def test_channels_take_nothing_but_cleared_objects(wrong: object, tmp_path: Path) -> None:
    with pytest.raises(GuardRefused):
        write_bundle(wrong, tmp_path / "out.json")
    with pytest.raises(GuardRefused):
        Peer("https://peer.example").post((), wrong, "application/json")
    assert list(tmp_path.iterdir()) == []


def test_nothing_passes_when_the_record_cannot_be_written(guard: Guard) -> None:
    def broken(*_: object) -> str:
        raise OSError("disk full")

    careless = Guard(guard.policy, record=broken, peer_key=lambda peer: b"k" * 32)
    with pytest.raises(OSError, match="disk full"):
        careless.clear(offer(campaign(random.Random(1))), passage())


def test_a_bundle_holds_what_was_cleared_and_its_id_follows_from_it(
    guard: Guard, tmp_path: Path, record: Record
) -> None:
    cleared = guard.clear(offer(campaign(random.Random(1))), passage())
    write_bundle(cleared, tmp_path / "out.json")
    bundle = json.loads((tmp_path / "out.json").read_text())
    other = guard.clear(offer(campaign(random.Random(2))), passage())
    assert [stix["type"] for stix in bundle["objects"]] == ["campaign"]
    assert bundle["id"] != json.loads(other.bundle())["id"]
    assert len(record.written) == 2

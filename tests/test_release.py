"""What a release is made of: a bill of materials from the lock file, and archives that are equal to the byte."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = """\
left-pad==1.3.0 \\
    --hash=sha256:aa00000000000000000000000000000000000000000000000000000000000000 \\
    --hash=sha256:bb00000000000000000000000000000000000000000000000000000000000000
pytest[testing]==9.0.0 ; python_version >= "3.11" \\
    --hash=sha256:cc00000000000000000000000000000000000000000000000000000000000000
"""


def bill(tmp_path: Path, lock: str) -> tuple[dict[str, object], bytes, str]:
    (tmp_path / "lock.txt").write_text(lock)
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "tools" / "sbom.py"), "-o", str(out), "--lock", str(tmp_path / "lock.txt")]
    subprocess.run(command, check=True, capture_output=True)
    raw = (out / "stillwatch.cdx.json").read_bytes()
    return json.loads(raw), raw, (out / "licences.md").read_text()


def test_the_bill_lists_each_pinned_package_with_its_hashes_and_licence(tmp_path: Path) -> None:
    made, _, licences = bill(tmp_path, LOCK)
    parts = {part["name"]: part for part in made["components"]}  # type: ignore[attr-defined]
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert parts["left-pad"]["purl"] == "pkg:pypi/left-pad@1.3.0"
    assert [held["content"][:2] for held in parts["left-pad"]["externalReferences"][0]["hashes"]] == ["aa", "bb"]
    assert "licenses" not in parts["left-pad"]
    assert parts["pytest"]["licenses"][0]["license"]["name"].startswith("MIT")
    assert "| left-pad | 1.3.0 | not installed here |" in licences


def test_equal_lock_files_give_an_equal_bill_and_others_another_serial_number(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first, again = bill(tmp_path / "a", LOCK), bill(tmp_path / "b", LOCK)
    other = bill(tmp_path / "c", LOCK.replace("1.3.0", "1.3.1"))
    assert first[1] == again[1]
    assert first[0]["serialNumber"] != other[0]["serialNumber"]


def test_the_lock_file_names_every_package_with_a_hash_and_no_address(tmp_path: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    made, _, _ = bill(tmp_path, lock)
    parts = made["components"]
    assert isinstance(parts, list)
    assert len(parts) == lock.count("==")
    assert all(part["externalReferences"][0]["hashes"] for part in parts)
    assert "://" not in lock


@pytest.mark.slow
def test_the_same_tree_gives_the_same_wheel_and_sdist_to_the_byte(tmp_path: Path) -> None:
    digests = []
    wanted = shutil.ignore_patterns(
        ".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "node_modules", "console", "dist"
    )
    shutil.copytree(ROOT, tmp_path / "tree", ignore=wanted)
    for name, mask in (("a", 0o022), ("b", 0o077)):
        tree, out = tmp_path / name / "tree", tmp_path / name / "out"
        shutil.copytree(tmp_path / "tree", tree, copy_function=shutil.copyfile)
        for file in tree.rglob("*"):
            os.utime(file, (time.time() - len(file.name),) * 2)
            file.chmod((0o777 if file.is_dir() else 0o666) & ~mask)
        environ = {**os.environ, "SOURCE_DATE_EPOCH": "1776844800", "TZ": "UTC" if name == "a" else "Asia/Tokyo"}
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
        subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True)
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in out.iterdir()})
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]

import subprocess
import sys
from pathlib import Path

import pytest

from stillwatch.cli.app import VERBS, main

HEAVY = ("duckdb", "ibis", "pyarrow", "numpy", "numba", "scipy", "sklearn", "polars", "pandas")


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from stillwatch.cli.app import main; main(['--help']); "
        f"sys.exit(bool([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "Example" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], 2),
        (["detect", "--window", "soon"], 2),
        (["simulate", "no-such-world", "-o", "x"], 2),
        (["campaigns"], 3),
        (["schema", "no_such_table"], 2),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_one_sentence(
    arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("stillwatch: ")
    assert "Traceback" not in error

"""A virtual environment for each peer that is a package, from a file of pinned versions."""

import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
INSTALL_SECONDS: Final = 900


class CannotInstallError(Exception):
    """A peer's packages cannot be installed; the message is the last line of the installer's."""


def python_of(requirements: str, folder: Path) -> Path:
    """The interpreter of an environment with those packages, made where there is none yet.

    Raises:
        CannotInstallError: with the reason.
    """
    pinned = HERE / "requirements" / requirements
    name = f"{pinned.stem}-{blake2b(pinned.read_bytes(), digest_size=4).hexdigest()}"
    python, done = folder / name / "bin" / "python", folder / name / "installed"
    if not done.exists():
        install([sys.executable, "-m", "venv", "--clear", str(folder / name)])
        install([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(pinned)])
        done.touch()
    return python


def install(command: list[str]) -> None:
    """Run one step of an installation."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise CannotInstallError(last_line(error.stderr)) from error
    except subprocess.TimeoutExpired as error:
        raise CannotInstallError(f"not installed after {INSTALL_SECONDS} s") from error


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no message")

"""Programs of others that judge sharing, in an environment of their own."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import REPOSITORY

ENVIRONMENT: Final = "STILLWATCH_TEST_PEERS"
"""Names the folder of a virtual environment with medallion, misp-stix and openmined-psi; without it `.venv-peers`,
which `make peers` makes."""


def python() -> str:
    """The Python of that environment; where there is none a skip, in CI a failure."""
    found = Path(os.environ.get(ENVIRONMENT) or REPOSITORY / ".venv-peers") / "bin" / "python"
    if not found.exists():
        message = "the programs of others are not installed: run `make peers`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return str(found)

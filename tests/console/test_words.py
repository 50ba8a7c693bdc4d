"""The words of the console."""

import re

import pytest

from stillwatch.signals import catalog
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.console

WORDS = REPOSITORY / "console" / "src" / "words"


def test_signals_are_explained_in_the_words_of_their_code() -> None:
    said = dict(re.findall(r"""'(signal\.[\w.]+)':\s+(?:'([^'\n]*)'|"[^"\n]*"),""", text()))
    doubled = dict(re.findall(r"""'(signal\.[\w.]+)':\s+"([^"\n]*)",""", text()))
    known = {name: value for name, value in said.items() if value} | doubled
    for signal in catalog():
        assert known[f"signal.{signal.name}.means"] == signal.high_means
        assert known[f"signal.{signal.name}.innocent"] == signal.innocent_cause
        assert known[f"signal.{signal.name}"]


def text() -> str:
    return (WORDS / "vocabulary.ts").read_text()

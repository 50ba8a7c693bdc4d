"""Every command in the documentation exists, with its flags, and says how it is run."""

import re

import pytest

from stillwatch.cli.app import VERBS, app
from tests.docs.blocks import KINDS, REPOSITORY, Block, blocks_of, pages

BLOCKS = [block for page in pages() for block in blocks_of(page)]
CALLS = [
    pytest.param(call, id=f"{block.place}-{number}") for block in BLOCKS for number, call in enumerate(block.calls())
]
GLOBAL = {"--workspace": 1, "--config": 1, "--quiet": 0}
"""Flags in front of the verb, and how many words follow them."""


@pytest.mark.parametrize("call", CALLS)
def test_a_command_is_one_that_the_command_line_reads(call: list[str]) -> None:
    words = list(call)
    while words and words[0] in GLOBAL:
        words = words[1 + GLOBAL[words[0]] :]
    if words not in ([], ["--help"], ["--version"]):
        app.parse_args(words, print_error=False, exit_on_error=False)


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in BLOCKS])
def test_a_block_that_is_not_run_as_it_stands_says_why(block: Block) -> None:
    assert block.kind in ("", *KINDS)
    assert block.kind != "read" or block.reason


def test_commands_stand_in_fences_that_say_so() -> None:
    verbs = "|".join(VERBS)
    loose = []
    for page in pages():
        kind = None
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            if line.startswith("```"):
                kind = line[3:].strip() if kind is None else None
            elif re.match(rf"( {{4}})?stillwatch ({verbs})\b", line) and kind not in ("sh", "text"):
                loose.append(f"{page.relative_to(REPOSITORY)}:{number}: {line.strip()}")
    assert not loose


def test_there_are_blocks_to_read() -> None:
    assert len(BLOCKS) > 40
    assert len(CALLS) > 60

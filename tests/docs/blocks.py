"""Command blocks of the documentation: where they stand, and how each is to be run.

A block is fenced with `sh`. A comment line before its fence says how it runs, where it is not run as it stands:

- no comment: in order, with the page's other blocks, in a clean folder beside the demonstration's workspace;
- `<!-- serves -->`: started in the background, waited for, and ended with the page;
- `<!-- read: REASON -->`: not run, because it needs what no test has; every `stillwatch` command in it is still read by
  the command line's own parser, so that a verb or a flag that does not exist fails.

`<!-- file: NAME -->` before a fence of any kind puts its text into that file before the page is run.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
KINDS: Final = ("serves", "read")
OPENING: Final = re.compile(r"^```sh\s*$")
COMMENT: Final = re.compile(r"^<!-- (?P<kind>[a-z]+)(?:: (?P<reason>.+))? -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of commands. `kind` is empty for a block that is run as it stands."""

    page: Path
    line: int
    text: str
    kind: str = ""
    reason: str = ""

    @property
    def place(self) -> str:
        """The page and the line of the fence."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    def commands(self) -> list[str]:
        """Lines of the block, those that a backslash continues put together, without comments."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines()]
        return [line for line in lines if line]

    def calls(self) -> list[list[str]]:
        """Arguments of every plain call of `stillwatch`, up to the first shell operator."""
        found = []
        for command in self.commands():
            words = shlex.split(command)
            while words and re.match(r"^[A-Z_]+=", words[0]):
                words = words[1:]
            if words[:1] == ["stillwatch"]:
                ends = [place for place, word in enumerate(words) if re.match(r"^(\d?[<>|&;]|\|\||&&)", word)]
                found.append(words[1 : min(ends, default=len(words))])
        return found


def pages() -> list[Path]:
    """README and every page of the documentation, generated ones left out."""
    docs = REPOSITORY / "docs"
    return [REPOSITORY / "README.md", *sorted(file for file in docs.rglob("*.md") if file.parent.name != "reference")]


def files_of(page: Path) -> dict[str, str]:
    """Files that the page's commands need, by name, as the page shows them."""
    pattern = r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```$"
    return dict(re.findall(pattern, page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL))


def blocks_of(page: Path) -> list[Block]:
    """The command blocks of one page, in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if OPENING.match(line):
            end = lines.index("```", number)
            before = COMMENT.match(lines[number - 2]) if number > 1 else None
            kind, reason = (before["kind"], before["reason"] or "") if before else ("", "")
            found.append(Block(page, number, "\n".join(lines[number:end]), kind, reason))
    return found

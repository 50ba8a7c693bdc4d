"""`campaigns`, `show`, `accounts`, `explain`, `judge`."""

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, plain_row, show_table, talk, write_json, write_rows
from stillwatch.cli.words import HELD_BACK_SAYS, REASONS_SAY, sentences
from stillwatch.errors import UsageError

CAMPAIGN_COLUMNS = (
    "campaign_id",
    "tier",
    "n_accounts",
    "n_exchanges",
    "score",
    "q_value",
    "nearest_lookalike",
)

FormatFlag = Annotated[Format, Parameter(name=["--format"])]
OutputFlag = Annotated[Path | None, Parameter(name=["-o", "--output"])]


def campaigns(*, run: str | None = None, format: FormatFlag = "table", output: OutputFlag = None) -> None:
    """List the campaigns of the latest run, or of --run.

    Example: stillwatch campaigns --format json
    """
    with current().open() as watch:
        rows = watch.campaigns(run).table
    write_rows(rows, format, output, columns=CAMPAIGN_COLUMNS)


def show(campaign: str, *, run: str | None = None, format: FormatFlag = "table") -> None:
    """Show one campaign: its evidence, its nearest honest look-alike, and its accounts.

    Example: stillwatch show c-abcd1234
    """
    with current().open() as watch:
        found = [row for row in watch.campaigns(run).table.to_pylist() if row["campaign_id"] == campaign]
        if not found:
            raise UsageError(f"there is no campaign {campaign!r} in this run; `stillwatch campaigns` lists them")
        members = watch.members(campaign, run).table
    if format != "table":
        write_json({**found[0], "members": members.to_pylist()})
        return
    for sentence in sentences(found[0]):
        talk(sentence)
    show_table([{"field": name, "value": value} for name, value in plain_row(found[0]).items()], ["field", "value"])
    show_table(members.slice(0, 50).to_pylist(), ["account_id", "token_kind", "n", "first_seen_at", "last_seen_at"])
    if members.num_rows > 50:
        talk(f"50 of {members.num_rows:,} slices shown; --format json has them all")


def accounts(*, run: str | None = None, format: FormatFlag = "table", output: OutputFlag = None) -> None:
    """List every account seen in the window with its tier, flagged ones first.

    Example: stillwatch accounts --format parquet -o accounts.parquet
    """
    with current().open() as watch:
        rows = watch.accounts(run).table
    if format == "table":
        shown = rows.slice(0, 50)
        write_rows(
            shown,
            format,
            output,
            columns=["account_id", "tier", "campaign_id", "score", "q_value", "n_exchanges", "reasons"],
        )
        talk(f"{shown.num_rows:,} of {rows.num_rows:,} accounts shown; other formats have them all")
    else:
        write_rows(rows, format, output)


def explain(account: str, *, run: str | None = None, format: FormatFlag = "table") -> None:
    """Say why an account was flagged, or that it was not.

    Example: stillwatch explain acct-42
    """
    with current().open() as watch:
        found = watch.explain(account, run)
    if format != "table":
        write_json(asdict(found))
        return
    for row in found.indicators:
        talk(
            f"{row['peer']} names {_named(row)}, which this account shows ({row['indicator_id']}); that is no finding."
        )
    if found.finding is None or found.campaign is None:
        talk(f"{account}: nothing was found against this account in this run")
        return
    talk(
        f"{account}: tier {found.finding['tier']}, queue {found.finding['queue']}, "
        f"campaign {found.finding['campaign_id']}"
    )
    reasons = found.finding["reasons"]
    assert isinstance(reasons, list)
    for reason in reasons:
        if reason in REASONS_SAY:
            talk(f"found, because {REASONS_SAY[reason]}.")
    if found.finding["held_back"]:
        talk(f"not accused, because {HELD_BACK_SAYS[str(found.finding['held_back'])]}.")
    for sentence in sentences(found.campaign):
        talk(sentence)
    rows: list[Row] = found.slices
    show_table(
        rows, ["token_kind", "token", "n", "first_seen_at", "last_seen_at"], title="evidence: slices of this account"
    )


def _named(row: Mapping[str, object]) -> str:
    """What an indicator names, in words: an address is known by its pseudonym alone."""
    said = {"address": "its address", "ja4": f"its client {row['value']}", "asn": f"its network AS{row['value']}"}
    return said.get(str(row["kind"]), f"its {row['kind']}")


def judge(
    subject: str,
    verdict: Literal["distillation", "honest", "unsure"],
    *,
    note: str = "",
    author: str | None = None,
) -> None:
    """Record what a person thinks of a campaign or an account. What is judged honest is not found again.

    Example: stillwatch judge c-abcd1234 honest --note "contracted evaluation fleet"
    """
    with current().open() as watch:
        watch.judge(subject, verdict, author=author or getpass.getuser(), note=note)
    talk(f"{subject} is judged {verdict}; the next `stillwatch detect` takes it into account")

"""`screen`: who gets access, compared with lists, ownership, regions and networks."""

from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, plain_row, show_table, talk, write_json, write_rows
from stillwatch.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stillwatch.pipeline.screening import Screener
    from stillwatch.screening.channels import Channel
    from stillwatch.screening.network import Crowd, NetworkList
    from stillwatch.screening.ranges import AddressTable
    from stillwatch.screening.snapshots import Diff

FOUND = 1
SHOWN = 50
HIT_COLUMNS = ("account_id", "level", "cause", "object_id", "object_name", "score", "verdict", "reasons")
CHANNEL_COLUMNS = (
    "door", "channel", "n_accounts", "n_flagged", "flagged_share", "low", "high", "lift", "n_exchanges",
    "n_flagged_exchanges", "n_held", "n_review", "named_by",
)  # fmt: skip
CHANNEL_LINE = ("door", "channel", "flagged", "share", "lift", "held", "review", "named by")

screen = App(
    name="screen",
    help="Compare accounts with lists, ownership, regions and networks. Gives reasons to look; bans nobody.",
    help_epilogue="""Examples:

    stillwatch screen lists add sdn.csv --list ofac
    stillwatch screen accounts --register kyc.csv --owners owners.csv --by ana
    stillwatch screen review
    stillwatch screen review acct-42 ofac:12970 cleared --by ana --note "another date of birth"
    stillwatch screen network --hosting datacenters.txt --vpn vpns.txt --by ana
    stillwatch screen channels
""",
    result_action="return_value",
)
lists = App(name="lists", help="Lists of entities, kept as dated snapshots.", result_action="return_value")
screen.command(lists)

ListFlag = Annotated[str, Parameter(name=["--list"])]
ByFlag = Annotated[str, Parameter(name=["--by"])]
FormatFlag = Annotated[Format, Parameter(name=["--format"])]
OutputFlag = Annotated[Path | None, Parameter(name=["-o", "--output"])]
Written = Literal["csl-csv", "csl-json", "ofac-sdn", "bis-dpl", "opensanctions-csv", "opensanctions-json", "csv"]


@lists.command
def add(
    file: Path,
    *,
    list_id: ListFlag,
    written: Annotated[Written | None, Parameter(name=["--as"])] = None,
    day: str | None = None,
) -> None:
    """Keep a list as a snapshot, and say what changed since the one before.

    `sdn.csv` of OFAC takes `alt.csv` and `add.csv` from the same folder.

    Example: stillwatch screen lists add sdn.csv --list ofac --day 2026-11-01

    Parameters
    ----------
    file
        The list; `.gz` is unpacked.
    list_id
        What the list is called here.
    written
        Its format; default: recognised.
    day
        The day that the list is of, as 2026-11-01; default: today.
    """
    with _screener() as screener:
        from stillwatch.screening.lists import ListFormat

        changed = screener.add_list(
            file, list_id, format=None if written is None else ListFormat(written), day=_day(day)
        )
        n_entries = len(screener.snapshots.read(list_id))
    talk(
        f"{list_id}: {n_entries:,} entries; {len(changed.added):,} added, {len(changed.removed):,} removed, "
        f"{len(changed.changed):,} changed"
    )


@lists.command
def show(*, format: FormatFlag = "table", output: OutputFlag = None) -> None:
    """Show which lists are kept, with the days of their snapshots and how many entries the latest has.

    Example: stillwatch screen lists show
    """
    with _screener() as screener:
        kept = screener.snapshots
        rows: list[Row] = [
            {
                "list": name,
                "latest": kept.days(name)[-1],
                "n_snapshots": len(kept.days(name)),
                "n_entries": len(kept.read(name)),
            }
            for name in kept.latest()
        ]
    _write(rows, ("list", "latest", "n_snapshots", "n_entries"), format, output)


@lists.command
def diff(
    list_id: str,
    *,
    since: Annotated[str | None, Parameter(name=["--from"])] = None,
    until: Annotated[str | None, Parameter(name=["--to"])] = None,
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> None:
    """Show what changed between two snapshots of a list; default: the last two.

    Example: stillwatch screen lists diff ofac --from 2026-10-01 --to 2026-11-01
    """
    from_day, to_day = _day(since), _day(until)
    with _screener() as screener:
        from stillwatch.screening.snapshots import diff as compared

        days = screener.snapshots.days(list_id)
        if len(days) < 2 and (from_day is None or to_day is None):
            raise UsageError(f"list {list_id} has {len(days)} snapshots; a difference takes two")
        changed = compared(
            screener.snapshots.read(list_id, from_day or days[-2]), screener.snapshots.read(list_id, to_day or days[-1])
        )
    _write(_diff_rows(changed), ("change", "entry_id", "name", "aliases", "countries"), format, output)


@screen.command
def accounts(
    *,
    by: ByFlag,
    register: Path | None = None,
    owners: Path | None = None,
    full: Annotated[bool, Parameter(negative="")] = False,
    fail_on: Literal["hold", "review"] | None = None,
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> int:
    """Compare accounts with the latest lists, with owners and with regions; only what changed since the last time.

    Names come from the vault; each opening is recorded.

    Examples:
        stillwatch screen accounts --by ana
        stillwatch screen accounts --by ana --register kyc.csv --owners owners.csv --format json

    Parameters
    ----------
    by
        Who screens; stands in the ledger beside each name that is opened.
    register
        Table of what else is known: account_id, name, aliases, type, country, address, identifiers.
    owners
        Table of who owns whom: owner, owned, percent, from, until, owner_country.
    full
        Compare everything again.
    fail_on
        Exit with 1 when an account is held (hold), or held or to be reviewed (review).
    """
    with _screener() as screener:
        from stillwatch.screening.ownership import read_stakes
        from stillwatch.screening.register import read_register, read_text

        done = screener.screen_accounts(
            actor=by,
            register=None if register is None else read_register(read_text(register)),
            stakes=() if owners is None else read_stakes(read_text(owners)),
            full=full,
        )
        rows = screener.hits()
    talk(f"{done.n_screened:,} of {done.n_accounts:,} accounts compared with {done.n_entries:,} entries")
    if done.n_nameless:
        talk(f"{done.n_nameless:,} of them have no name in the vault or the register: these are clear by default")
    talk(", ".join(f"{level} {n:,}" for level, n in done.levels.items()))
    write_rows(rows, format, output, columns=HIT_COLUMNS)
    n_found = done.levels["hold"] + (done.levels["review"] if fail_on == "review" else 0)
    return FOUND if fail_on and n_found else 0


@screen.command
def network(
    *,
    by: ByFlag,
    hosting: tuple[Path, ...] = (),
    vpn: tuple[Path, ...] = (),
    ranges: Path | None = None,
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> None:
    """Show the networks that accounts come from, what kind they are and how sure that is.

    Many unrelated accounts behind one hosting or VPN network become hits for review.

    Example: stillwatch screen network --hosting datacenters.txt --vpn vpns.txt --by ana

    Parameters
    ----------
    by
        Who screens.
    hosting
        Lists of hosting networks: lines `AS64500 # operator` or `64500,"operator"`.
    vpn
        Lists of VPN and proxy networks.
    ranges
        Table of address ranges, or an .mmdb file, for records whose network telemetry does not name.
    """
    least = current().settings().config.screening.crowd_accounts
    with _screener() as screener:
        found = screener.screen_network(_network_lists(hosting, vpn), actor=by, table=_table(ranges))
    rows = _crowd_rows(found, least)
    talk(f"{len(rows):,} networks, {sum(bool(row['for_review']) for row in rows):,} for review")
    columns = ("network", "operator", "kind", "sureness", "n_accounts", "n_unrelated", "n_exchanges", "for_review")
    _write(rows, columns, format, output)


@screen.command
def channels(
    *,
    hosting: tuple[Path, ...] = (),
    vpn: tuple[Path, ...] = (),
    ranges: Path | None = None,
    by: str = "",
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> None:
    """Show the flagged share by serving region, operator, reseller and marketplace, and which networks peers name.

    Examples:
        stillwatch screen channels --hosting datacenters.txt --format json
        stillwatch screen channels --ranges asn.csv --by ana

    Parameters
    ----------
    hosting
        Lists of hosting networks: lines `AS64500 # operator` or `64500,"operator"`.
    vpn
        Lists of VPN and proxy networks.
    ranges
        Table of address ranges, or an .mmdb file, for records whose network telemetry does not name.
    by
        Who opens the addresses that --ranges needs; each opening is recorded.
    """
    if ranges is not None and not by.strip():
        raise UsageError("--ranges opens addresses in the vault: say who answers for it with --by NAME")
    with _screener() as screener:
        found = screener.channels(_network_lists(hosting, vpn), actor=by, table=_table(ranges))
    rows: list[Row] = [{**asdict(one), "door": one.door.value, "named_by": list(one.named_by)} for one in found]
    if format == "table":
        rows = [_channel_line(one) for one in found]
    _write(rows, CHANNEL_LINE if format == "table" else CHANNEL_COLUMNS, format, output)


@screen.command
def review(
    account: str | None = None,
    object_id: str | None = None,
    verdict: Literal["cleared", "confirmed"] | None = None,
    *,
    by: str = "",
    note: str = "",
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> None:
    """List what waits for a person; or record what that person says of one account and one object.

    A cleared pair stays cleared until the account or the object changes.

    Examples:
        stillwatch screen review --format csv
        stillwatch screen review acct-42 ofac:12970 cleared --by ana --note "another date of birth"
    """
    with _screener() as screener:
        if account is None:
            rows = screener.hits()
            write_rows(rows.filter(rows["verdict"].is_null()), format, output, columns=HIT_COLUMNS)
            return
        if object_id is None or verdict is None:
            raise UsageError("a review needs an account, an object and `cleared` or `confirmed`")
        n_hits = screener.review(account, object_id, verdict, author=by, note=note)
    talk(f"{account} and {object_id}: {n_hits:,} hits {verdict}")


@contextmanager
def _screener() -> "Iterator[Screener]":
    """The screener of the workspace in force."""
    try:
        from stillwatch.pipeline.screening import Screener
    except ModuleNotFoundError as error:
        raise EnvironmentFault(f"screening needs {error.name}: pip install 'stillwatch[share]'") from error
    from stillwatch.python_api import now

    with current().open() as watch:
        yield Screener(watch.workspace, watch.config, clock=now)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no day; write it as 2026-11-01") from None


def _network_lists(hosting: "Sequence[Path]", vpn: "Sequence[Path]") -> "list[NetworkList]":
    from stillwatch.screening.network import NetworkKind, read_network_list
    from stillwatch.screening.register import read_text

    files = [(NetworkKind.HOSTING, path) for path in hosting] + [(NetworkKind.VPN, path) for path in vpn]
    return [read_network_list(path.name, kind, read_text(path)) for kind, path in files]


def _channel_line(one: "Channel") -> Row:
    """A channel as a person reads it: accounts, and shares in whole percent with their 95 % interval."""
    return {
        "door": one.door.value.removeprefix("serving "), "channel": one.channel,
        "flagged": f"{one.n_flagged:,} of {one.n_accounts:,}",
        "share": f"{one.flagged_share:.0%} ({100 * one.low:.0f}-{100 * one.high:.0f})",
        "lift": None if one.lift is None else round(one.lift, 1), "held": one.n_held, "review": one.n_review,
        "named by": list(one.named_by),
    }  # fmt: skip


def _table(ranges: Path | None) -> "AddressTable | None":
    from stillwatch.screening.ranges import open_table

    return None if ranges is None else open_table(ranges)


def _crowd_rows(found: "Sequence[Crowd]", least: int) -> list[Row]:
    return [
        {
            "network": f"AS{one.classified.network.asn}",
            "operator": one.classified.network.operator,
            "kind": one.classified.kind.value,
            "sureness": one.classified.sureness.value,
            "said_by": list(one.classified.said_by),
            "n_accounts": len(one.accounts),
            "n_unrelated": one.n_unrelated,
            "n_exchanges": one.n_exchanges,
            "for_review": one.is_for_review(least),
        }
        for one in found
    ]


def _diff_rows(changed: "Diff") -> list[Row]:
    parts = (("added", changed.added), ("removed", changed.removed), ("changed", changed.changed))
    return [
        {
            "change": change,
            "entry_id": e.entry_id,
            "name": e.name,
            "aliases": list(e.aliases),
            "countries": list(e.countries),
        }
        for change, entries in parts
        for e in entries
    ]


def _write(rows: list[Row], columns: "Sequence[str]", format: Format, output: Path | None) -> None:
    import pyarrow as pa

    if format == "json":
        write_json([plain_row(row) for row in rows], output)
    elif format == "table":
        show_table(rows[:SHOWN], columns, output=output)
        if len(rows) > SHOWN:
            talk(f"{SHOWN} of {len(rows):,} lines shown; other formats have them all")
    else:
        write_rows(pa.Table.from_pylist(rows) if rows else pa.table({name: [] for name in columns}), format, output)

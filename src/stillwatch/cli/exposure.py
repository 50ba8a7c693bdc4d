"""`exposure`: what campaigns took, and what it is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, show_table, talk, write_rows, write_text
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from stillwatch.exposure.damages import Assessment
    from stillwatch.pipeline import Exposed

AHEAD_DAYS = 30
"""Days for which the table says what would have been taken had the campaign run on."""


def exposure(
    campaign: str | None = None,
    *,
    run: str | None = None,
    damages: Path | None = None,
    worksheet: bool = False,
    seed: int = 1,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> None:
    """Measure what the campaigns of the latest run, or of --run, took: inside flagged slices, not whole accounts.

    Examples:
        stillwatch exposure
        stillwatch exposure c-abcd1234 --format json
        stillwatch exposure --worksheet -o damages.toml
        stillwatch exposure c-abcd1234 --damages damages.toml

    Parameters
    ----------
    damages
        A worksheet of prices, costs and plans: print the heads of damage of CAMPAIGN, each apart.
    worksheet
        Print an empty worksheet to fill in, and nothing else.
    seed
        Of the simulation behind the ranges of damages: equal seeds give equal numbers.
    """
    if worksheet:
        from stillwatch.exposure.damages import blank_worksheet

        write_text(blank_worksheet(), output)
        return
    with current().open() as watch:
        exposed = watch.expose(run)
    if campaign is not None:
        exposed = exposed.of(campaign)
        if not exposed.sums.num_rows:
            raise UsageError(f"there is no campaign {campaign!r} in this run; `stillwatch campaigns` lists them")
    if damages is not None:
        _show_damages(_assessed(exposed, campaign, damages, seed), format, output)
    elif format == "table":
        _show(exposed, output)
    else:
        write_rows(exposed.sums, format, output)


def _show(exposed: "Exposed", output: Path | None) -> None:
    rows = exposed.sums.to_pylist()
    shown = [
        {
            "campaign": row["campaign_id"],
            "capability": row["capability"],
            "accounts": row["n_accounts"],
            **{
                name.replace("_", " "): _interval(row, name)
                for name in ("exchanges", "useful_exchanges", "output_tokens")
            },
            "traces": row["n_traces"],
            "grid covered": f"{row['n_cells_covered']:,} of {row['n_cells']:,} cells",
        }
        for row in rows
    ]
    show_table(shown, list(shown[0]) if shown else ["campaign"], output=output)
    for row in rows:
        if row["capability"] == "all":
            for sentence in (*_counterfactual(row), *_pivots(exposed.models, row["campaign_id"])):
                talk(f"{row['campaign_id']}: {sentence}")


def _interval(row: Row, name: str) -> str:
    return f"{row[name]:,} ({row[f'{name}_low']:,} to {row[f'{name}_high']:,})"


def _counterfactual(row: Row) -> list[str]:
    """What was not taken in the world where the first alarm stopped it, and what is not taken in this one."""
    said = []
    if row["alarm_at"] is not None:
        after = int(str(row["output_tokens"])) - int(str(row["output_tokens_before_alarm"]))
        said.append(
            f"stopped at the first accusation ({row['alarm_at']:%Y-%m-%d %H:%M}), it would have had "
            f"{row['output_tokens_before_alarm']:,} output tokens, {after:,} less than it took."
        )
    ends = ("daily_output_tokens_low", "daily_output_tokens_high")
    low, high = (AHEAD_DAYS * int(str(row[name])) for name in ends)
    said.append(
        f"at the pace of its last days, {AHEAD_DAYS} more days would have been {low:,} to {high:,} output tokens."
    )
    return said


def _pivots(models: "pa.Table", campaign_id: object) -> list[str]:
    return [
        f"{row['n_first_days']:,} of its {row['n_first_days_any']:,} exchanges in the first two days of "
        f"{row['model']} went to that model; of all other active accounts {row['others_share']:.0%} used it."
        for row in models.to_pylist()
        if row["campaign_id"] == campaign_id and row["released_on"] is not None and row["n_first_days_any"]
    ]


def _assessed(exposed: "Exposed", campaign: str | None, sheet: Path, seed: int) -> "Assessment":
    from stillwatch.exposure.damages import Worksheet, assess, quantities

    if campaign is None:
        raise UsageError("damages are of one campaign: stillwatch exposure CAMPAIGN --damages FILE")
    return assess(Worksheet.load(sheet), quantities(exposed.sums), seed=seed)


def _show_damages(assessed: "Assessment", format: Format, output: Path | None) -> None:
    from stillwatch.exposure.damages import RULES, as_rows

    rows = as_rows(assessed)
    if format != "table":
        import pyarrow as pa

        write_rows(pa.Table.from_pylist(rows), format, output)
        return
    show_table(rows, ["head", "basis", "likely_usd", "low_usd", "median_usd", "high_usd", "missing"], output=output)
    for result in assessed.heads:
        for swing in result.swings:
            talk(
                f"{result.head.title}: {swing.at_low:,.0f} to {swing.at_high:,.0f} as {swing.name} goes over its range"
            )
    for combination in assessed.combinations:
        named = " with ".join(name.replace("_", " ") for name in combination.heads)
        talk(f"together, nothing twice: {named}: {combination.low:,.0f} to {combination.high:,.0f} US dollars")
    for rule in RULES:
        talk(rule)

"""`simulate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stillwatch.cli.output import show_table, talk
from stillwatch.cli.progress import bar
from stillwatch.errors import UsageError


def simulate(
    scenario: str | None = None,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    seed: int = 1,
    scale: float = 1.0,
    prompts: Path | None = None,
    text: bool = True,
) -> None:
    """Write labelled telemetry of a simulated provider: exchanges, accounts, events, and the truth beside them.

    Without a scenario, list the scenarios.

    Examples:
        stillwatch simulate
        stillwatch simulate base500 -o world --scale 0.1 --seed 7
        stillwatch simulate reference -o world --scale 0.001 --prompts my-prompts/

    Parameters
    ----------
    scenario
        Name of the world.
    output
        Folder to write to.
    seed
        Equal seeds write equal bytes.
    scale
        Size of the world; 1 is the scenario as described.
    prompts
        Folder of Parquet files with a `text` column to draw prompts from.
    text
        Write prompt texts (--no-text: only sizes and identities).
    """
    from stillwatch import simulate as room

    if scenario is None:
        rows: list[dict[str, object]] = [
            {"scenario": s.name, "what": s.description, "difficulty": s.difficulty} for s in room.SCENARIOS.values()
        ]
        show_table(rows, ["scenario", "what", "difficulty"])
        return
    if output is None:
        raise UsageError(f"name a folder to write to: stillwatch simulate {scenario} -o DIR")
    settings = room.Settings(prompts=None if prompts is None else str(prompts), no_text=not text)
    with bar("days") as progress:
        made = room.simulate(
            scenario, seed=seed, out_dir=output, scale=scale, settings=settings,
            progress=lambda done, total, _n: progress(scenario, done, total),
        )  # fmt: skip
    talk(f"{made.n_exchanges:,} exchanges, {made.n_accounts:,} accounts ({made.n_campaign_accounts:,} in campaigns)")
    talk(f"next: stillwatch ingest {made.exchanges}; stillwatch ingest accounts {made.accounts}; stillwatch detect")

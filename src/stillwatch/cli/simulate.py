"""`simulate` and `evaluate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
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


def evaluate(
    suite: str = "quick",
    folder: Path | None = None,
    *,
    seeds: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    json_output: Annotated[Path | None, Parameter(name=["--json"])] = None,
) -> int:
    """Measure the detector on worlds that it was not calibrated on, or audit a simulated world.

    Examples:
        stillwatch evaluate quick
        stillwatch evaluate quick --seeds 301 302 --json quick.json
        stillwatch evaluate audit world/

    Parameters
    ----------
    suite
        `quick`: recall and false accusations over five seeds. `audit`: what single-account rules find in FOLDER.
    folder
        What `simulate` wrote, for `audit`.
    seeds
        Seeds of the worlds.
    json_output
        Also write the figures as JSON.
    """
    from stillwatch.evaluate import audit, quick

    if suite == "audit":
        if folder is None:
            raise UsageError("name the simulated world: stillwatch evaluate audit DIR")
        table = audit.audit(folder)
        print(audit.render(table))  # noqa: T201 - the table is the output
        return 0 if audit.passes(table) else 1
    if suite != "quick":
        raise UsageError(f"there is no suite {suite!r}; choose quick or audit")
    with bar("windows") as progress:
        measured = quick.quick(
            seeds=tuple(seeds) if seeds else quick.SEEDS, config=current().settings().config, progress=progress
        )
    print(quick.render(measured))  # noqa: T201
    if json_output is not None:
        json_output.write_text(quick.to_json(measured), encoding="utf-8")
    return 0 if quick.passes(measured) else 1

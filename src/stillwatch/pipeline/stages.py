"""The stages of detection, in order, and the second look that one of them waits for."""

from functools import partial
from typing import TYPE_CHECKING

from stillwatch import campaigns, grouping, scoring, signals
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Stage, Tables
from stillwatch.pipeline.daily import Progress, silent
from stillwatch.pipeline.second_look import look_again

if TYPE_CHECKING:
    import ibis.expr.types as ir


def detection_stages(engine: Engine, config: Config) -> tuple[Stage, ...]:
    """Every stage from daily aggregates to campaigns, in order, with what each reads and writes."""
    rooms = (
        (grouping, config.grouping),
        (signals, config.signals),
        (scoring, config.scoring),
        (campaigns, config.campaigns),
    )
    return tuple(
        Stage(
            room=room.__name__.rpartition(".")[2],
            reads=room.READS,
            writes=room.WRITES,
            run=partial(room.run, engine=engine, settings=settings),
        )
        for room, settings in rooms
    )


def run_stages(
    inputs: Tables, run: Run, *, engine: Engine, config: Config, progress: Progress = silent
) -> dict[str, "ir.Table"]:
    """All tables after the last stage: the inputs and what the stages wrote.

    `inputs` holds TOKEN_USES, ACCOUNT_DAYS, ACCOUNTS, ACCOUNT_EVENTS, CALIBRATIONS, JUDGEMENTS, INDICATORS and
    what earlier runs left of CAMPAIGN_MEMBERS and ACCOUNT_FINDINGS; a table that a stage reads and writes is read as it
    was before the run.
    """
    tables = dict(inputs)
    *judging, last = stages = detection_stages(engine, config)
    for number, stage in enumerate(judging):
        progress(stage.room, number, len(stages))
        tables.update(_made(stage, tables, run))
    progress(last.room, len(judging), len(stages))
    _, asking, judge = judging
    tables.update(look_again(tables, run, asking, judge, engine=engine, config=config))
    tables.update(_made(last, tables, run))
    progress("done", len(stages), len(stages))
    return tables


def _made(stage: Stage, tables: Tables, run: Run) -> Tables:
    """What a stage makes of the tables that it reads."""
    return stage.run({table.name: tables[table.name] for table in stage.reads}, run)

"""Lets a run of the command line leave the tables between its stages in a folder, for tests to compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stillwatch.model.table import Table
from stillwatch.pipeline import detection


def keep_tables(folder: Path, tables: tuple[Table, ...]) -> None:
    """From now on every run of the stages in this process writes `tables` into `folder` when it is done."""
    run_stages: Callable[..., Any] = detection.run_stages

    def kept(*arguments: Any, **options: Any) -> Any:
        made = run_stages(*arguments, **options)
        folder.mkdir()
        for table in tables:
            pq.write_table(options["engine"].to_arrow(made[table.name]), folder / f"{table.name}.parquet")
        return made

    detection.run_stages = kept

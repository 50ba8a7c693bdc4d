"""Dossiers computed again from their own extracts."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import exposure
from stillwatch.config import Config
from stillwatch.evidence.build import WORKSHEET
from stillwatch.evidence.bundle import read_extract, rows_of
from stillwatch.exposure.damages import Worksheet, assess, quantities
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGNS,
    DETECTION_RUNS,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline.dossier import GRID, money_rows


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What was computed again from a dossier's extracts: figures that agree, that differ, and that cannot be computed.

    Differences are named by table, row and column.
    """

    n_equal: int
    differences: tuple[str, ...]
    not_computed: tuple[str, ...]


def recompute(path: Path, config: Config) -> Recomputed:
    """Compute exposure and damages from the extracts again and compare them with what is said, digit by digit.

    The dossier must have been verified before. Redacted extracts cannot be computed from.
    """
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    shapes = {
        "exposure_accounts": EXPOSURE_ACCOUNTS, "exposure_days": EXPOSURE_DAYS, "grid": GRID, "exposures": EXPOSURES,
        "findings": ACCOUNT_FINDINGS, "run": DETECTION_RUNS, "campaign": CAMPAIGNS,
    }  # fmt: skip
    if any(f"extracts/{name}.tsv" not in files for name in shapes):
        return Recomputed(0, (), ("exposures, because the audience of this dossier holds no extracts",))
    found = {name: read_extract(shape, files[f"extracts/{name}.tsv"]) for name, shape in shapes.items()}
    hidden = tuple(f"exposures, because {name} is redacted" for name, rows in sorted(found.items()) if rows is None)
    if hidden:
        return Recomputed(0, (), hidden)
    rows = {name: table for name, table in found.items() if table is not None}
    again = _summed(rows, config)
    n_equal, differences = _compared("exposures", rows["exposures"].to_pylist(), again.to_pylist(), "capability")
    if WORKSHEET in files:
        sheet = Worksheet.parse(files[WORKSHEET].decode(), WORKSHEET)
        seed = msgspec.json.decode(files["manifest.json"])["about"]["damages_seed"]
        said = rows_of(files["extracts/damages.tsv"])
        more, others = _compared("damages", said, money_rows(assess(sheet, quantities(again), seed=seed)), "head")
        n_equal, differences = n_equal + more, differences + others
    return Recomputed(n_equal, differences, ())


def _summed(rows: Mapping[str, pa.Table], config: Config) -> pa.Table:
    findings = rows["findings"]
    accused = findings.filter(pc.equal(findings["tier"], "accuse"))
    alarms = accused.group_by("campaign_id").aggregate([("first_flagged_at", "min")])
    run = rows["run"].to_pylist()[0]
    return exposure.summarise(
        rows["exposure_accounts"], rows["exposure_days"], grid=rows["grid"],
        alarms=alarms.rename_columns(["campaign_id", "alarm_at"]), window=Window(run["window_start"], run["as_of"]),
        settings=config.exposure,
    )  # fmt: skip


def _compared(
    table: str, said: list[dict[str, Any]], again: list[dict[str, Any]], key: str
) -> tuple[int, tuple[str, ...]]:
    """How many figures are equal, and the places of those that are not."""
    if len(said) != len(again):
        return 0, (f"{table}: {len(said)} rows in the dossier, {len(again)} computed",)
    by_key = {row[key]: row for row in again}
    n_equal, differences = 0, []
    for row in said:
        for name, value in row.items():
            other = by_key.get(row[key], {}).get(name)
            if value == other:
                n_equal += 1
            else:
                differences.append(f"{table}, {row[key]}, {name}: {value} in the dossier, {other} computed")
    return n_equal, tuple(differences)

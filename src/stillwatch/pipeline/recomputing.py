"""Dossiers computed again from their own extracts."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import campaigns, exposure, scoring
from stillwatch.evidence.build import CALIBRATION, WORKSHEET
from stillwatch.evidence.bundle import read_extract, rows_of
from stillwatch.exposure.damages import Worksheet, assess, quantities
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_GROUPS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    EXPOSURE_ACCOUNTS,
    EXPOSURE_DAYS,
    EXPOSURES,
    SCORE_CROWD,
    SCORE_SHIFTS,
)
from stillwatch.model.tier import Tier
from stillwatch.model.window import Window
from stillwatch.pipeline.dossier import GRID, money_rows

Row = dict[str, Any]
SHAPES: Final[Mapping[str, Table]] = {
    "run": DETECTION_RUNS, "campaign": CAMPAIGNS, "members": CAMPAIGN_MEMBERS, "findings": ACCOUNT_FINDINGS,
    "groups": CAMPAIGN_GROUPS, "score_shifts": SCORE_SHIFTS, "score_crowd": SCORE_CROWD,
    "exposure_accounts": EXPOSURE_ACCOUNTS, "exposure_days": EXPOSURE_DAYS, "exposures": EXPOSURES, "grid": GRID,
}  # fmt: skip
"""The extracts that figures are computed from, or compared with."""
SCORED: Final = ("groups", "score_shifts", "score_crowd")
COUNTED: Final = ("members", "findings")
TAKEN: Final = ("findings", "exposure_accounts", "exposure_days")


class _Settings(msgspec.Struct, frozen=True):
    """The settings that a dossier names as those behind its figures."""

    exposure: exposure.Settings
    scoring: scoring.Settings


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What was computed again from a dossier's extracts: figures that agree, that differ, and that cannot be computed.

    Differences are named by table, row and column.
    """

    n_equal: int
    differences: tuple[str, ...]
    not_computed: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    """Figures compared so far."""

    n_equal: int = 0
    differences: list[str] = field(default_factory=list)
    not_computed: list[str] = field(default_factory=list)

    def compare(self, place: str, said: Row, again: Row) -> None:
        """Compare every figure of `again` with what is said of it."""
        for name, other in again.items():
            if said.get(name) == other:
                self.n_equal += 1
            else:
                self.differences.append(f"{place}, {name}: {said.get(name)} in the dossier, {other} computed")

    def compare_rows(self, table: str, said: Sequence[Row], again: Sequence[Row], key: str) -> None:
        """Compare rows by their key; a row that only one of the two has is a difference."""
        known = {row[key]: row for row in said}
        for row in again:
            self.compare(f"{table}, {row[key]}", known.pop(row[key], {}), row)
        self.differences += [f"{table}, {value}: in the dossier, not computed" for value in known]


def recompute(path: Path) -> Recomputed:
    """Compute scores, counts, exposure and damages from the extracts again and compare them, digit by digit.

    The dossier must have been verified before. What rests on redacted extracts, or on ones that are not there, cannot
    be computed and is named.
    """
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    tally = _Tally()
    rows = {
        name: table
        for name, shape in SHAPES.items()
        if (body := files.get(f"extracts/{name}.tsv")) is not None and (table := read_extract(shape, body)) is not None
    }
    about = msgspec.json.decode(files["manifest.json"])["about"]
    settings = msgspec.convert(about["settings"], _Settings)
    if _all_there("scores", SCORED, rows, tally):
        _scores(rows, files, settings.scoring, tally)
    if _all_there("counts of members", COUNTED, rows, tally):
        _counts(rows, tally)
    if _all_there("exposures", TAKEN, rows, tally):
        again = _summed(rows, settings.exposure)
        tally.compare_rows("exposures", rows["exposures"].to_pylist(), again.to_pylist(), "capability")
        if WORKSHEET in files:
            sheet = Worksheet.parse(files[WORKSHEET].decode(), WORKSHEET)
            heads = money_rows(assess(sheet, quantities(again), seed=about["damages_seed"]))
            tally.compare_rows("damages", rows_of(files["extracts/damages.tsv"]), heads, "head")
    return Recomputed(tally.n_equal, tuple(tally.differences), tuple(tally.not_computed))


def _all_there(what: str, names: Iterable[str], rows: Mapping[str, pa.Table], tally: _Tally) -> bool:
    missing = [name for name in names if name not in rows]
    if missing:
        said = " and ".join(missing)
        tally.not_computed.append(f"{what}, because {said} {'is' if len(missing) == 1 else 'are'} redacted or left out")
    return not missing


# -- scores -----------------------------------------------------------------------------------------------------------


def _scores(
    rows: Mapping[str, pa.Table], files: Mapping[str, bytes], settings: scoring.Settings, tally: _Tally
) -> None:
    """Scores, p-values and q-values of every flagged group, of the campaign and of its accounts."""
    groups = rows["groups"]
    if CALIBRATION not in files or not groups.num_rows:
        tally.not_computed.append("scores, because the run's groups or its calibration are not in this dossier")
        return
    calibration = scoring.Calibration.from_json(files[CALIBRATION].decode())
    again = scoring.rescored(
        groups, rows["score_shifts"], rows["score_crowd"], calibration=calibration,
        alpha=rows["run"]["alpha"][0].as_py(), settings=settings,
    )  # fmt: skip
    computed = again.to_pylist()
    for said, row in zip(groups.sort_by("group_id").to_pylist(), computed, strict=True):
        if (said["tier"], row["tier"]) == (Tier.REVIEW.value, Tier.ACCUSE.value):
            row.pop("tier")
            tally.not_computed.append(f"tier of {said['group_id']}: held at review for whose accounts they may be")
        tally.compare(f"groups, {said['group_id']}", said, row)
    best = max(range(len(computed)), key=lambda place: (computed[place]["score"], -place))
    [campaign] = rows["campaign"].to_pylist()
    tally.compare("campaign", campaign, _of_best(again, best))
    if "findings" in rows:
        _findings(rows["findings"].to_pylist(), computed, tally)


def _of_best(groups: pa.Table, place: int) -> Row:
    """What a campaign's row takes from its best group."""
    row = groups.slice(place, 1).to_pylist()[0]
    reasons = campaigns.reasons_of(groups, place)
    own = ("score", "baseline", "p_value", "q_value", "margin", "nearest_lookalike", "calibration_id")
    return {
        "best_group_id": row["group_id"],
        "n_groups": groups.num_rows,
        "signals": reasons.signals,
        "signal_p_values": reasons.p_values,
        "signal_contributions": reasons.contributions,
        **{name: row[name] for name in own},
    }


def _findings(findings: Sequence[Row], computed: Sequence[Row], tally: _Tally) -> None:
    """Each account's figures are those of one of the groups; which one its score says."""
    by_score = {row["score"]: row for row in computed}
    for said in findings:
        if said["score"] is not None:
            group = by_score.get(said["score"], dict.fromkeys(("score", "p_value", "q_value")))
            figures = {name: group[name] for name in ("score", "p_value", "q_value")}
            tally.compare(f"findings, {said['account_id']}", said, figures)


# -- counts -----------------------------------------------------------------------------------------------------------


def _counts(rows: Mapping[str, pa.Table], tally: _Tally) -> None:
    """What the campaign's row and its findings count, from the slices of members."""
    members = rows["members"]
    n_flagged = campaigns.flagged_exchanges(members)
    [campaign] = rows["campaign"].to_pylist()
    again = {
        "n_accounts": len(n_flagged),
        "n_exchanges": sum(n_flagged.values()),
        "first_seen_at": pc.min(members["first_seen_at"]).as_py(),
        "last_seen_at": pc.max(members["last_seen_at"]).as_py(),
        "token_kinds": sorted(set(members["token_kind"].to_pylist())),
    }
    tally.compare("campaign", campaign, again)
    for said in rows["findings"].to_pylist():
        counted = {"n_flagged_exchanges": n_flagged.get(said["account_id"])}
        tally.compare(f"findings, {said['account_id']}", said, counted)


# -- exposure ---------------------------------------------------------------------------------------------------------


def _summed(rows: Mapping[str, pa.Table], settings: exposure.Settings) -> pa.Table:
    findings = rows["findings"]
    accused = findings.filter(pc.equal(findings["tier"], Tier.ACCUSE.value))
    alarms = accused.group_by("campaign_id").aggregate([("first_flagged_at", "min")])
    [run] = rows["run"].to_pylist()
    return exposure.summarise(
        rows["exposure_accounts"], rows["exposure_days"], grid=rows["grid"],
        alarms=alarms.rename_columns(["campaign_id", "alarm_at"]), window=Window(run["window_start"], run["as_of"]),
        settings=settings,
    )  # fmt: skip

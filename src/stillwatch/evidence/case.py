"""Everything that a dossier is made from, gathered once: rows in, no database, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from stillwatch.evidence.bundle import Extract
from stillwatch.model.attribution import Assessment
from stillwatch.store.ledger import Json

Row = dict[str, Any]

ABOUT_ACCOUNTS: Final = frozenset({"members", "findings", "exposure_accounts"})
"""Extracts with a row for each account: what a redacted dossier leaves out."""


@dataclass(frozen=True, slots=True)
class Money:
    """Damages in rows: heads, what may be combined, what moves each head; `worksheet` is the file as it was given."""

    heads: tuple[Row, ...]
    combinations: tuple[Row, ...]
    swings: tuple[Row, ...]
    rules: tuple[str, ...]
    worksheet: str
    seed: int


@dataclass(frozen=True, slots=True)
class SignalWords:
    """What a signal asks and what else could answer it."""

    name: str
    question: str
    high_means: str
    innocent_cause: str


@dataclass(frozen=True, slots=True)
class Lookalike:
    """One class of honest groups that a campaign was compared with.

    `margin` is the campaign's score less the point that 99 % of the class stay below; `largest` is in accounts.
    """

    name: str
    n_groups: int
    largest: int
    margin: float


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign of one run, and what is known about how it was found.

    `campaign` and `run` are rows of CAMPAIGNS and DETECTION_RUNS; `tables` holds the other extracts by name in the
    shape of their tables: members, findings, groups, score_shifts, score_crowd, exposure_accounts, exposure_days,
    exposure_models, exposures, grid, batches. `calibration` says what the false-accusation rate rests on, and
    `calibration_body` is all of it as JSON, None where another release shipped it, and then there are no `lookalikes`
    either. `settings` are those behind the
    figures, by room. `assessment` is the one that stands, if any.
    """

    campaign: Row
    run: Row
    tables: Mapping[str, pa.Table]
    signals: tuple[SignalWords, ...]
    calibration: Row
    calibration_body: str | None
    lookalikes: tuple[Lookalike, ...]
    settings: Mapping[str, Json]
    assessment: Assessment | None
    money: Money | None
    judgements: tuple[Row, ...]
    version: str
    audience: str
    is_redacted: bool

    @property
    def dossier_id(self) -> str:
        """Names the dossier: campaign and run."""
        return f"{self.campaign['campaign_id']}@{self.run['run_id']}"

    def extracts(self, key: bytes) -> dict[str, Extract]:
        """Every extract by name; `key` is the dossier's own secret."""
        rows = {"campaign": [self.campaign], "run": [self.run]}
        rows |= {name: table.to_pylist() for name, table in self.tables.items()}
        if self.money is not None:
            rows["damages"] = list(self.money.heads)
        return {
            name: Extract.of(name, own, key=key, is_redacted=self.is_redacted and name in ABOUT_ACCOUNTS)
            for name, own in sorted(rows.items())
        }

    def about(self) -> dict[str, Json]:
        """What the signed statement says of the dossier."""
        return {
            "dossier_id": self.dossier_id,
            "campaign_id": self.campaign["campaign_id"],
            "run_id": self.run["run_id"],
            "audience": self.audience,
            "is_redacted": self.is_redacted,
            "stillwatch_version": self.version,
            "calibration_id": self.campaign["calibration_id"],
            "alpha": self.run["alpha"],
            "settings": dict(self.settings),
            "damages_seed": None if self.money is None else self.money.seed,
        }

"""A campaign of three accounts among honest ones, exchange by exchange, and how to run the stage on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.exposure import READS, Settings, run
from stillwatch.features import Settings as FeatureSettings
from stillwatch.features import run as make_features
from stillwatch.model.stage import Run
from stillwatch.model.tables import (
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    EXCHANGE_RECORDS,
    EXCHANGES,
    PROMPT_SKETCHES,
)
from tests.features.worlds import START, WINDOW, exchange, sketch

RUN = Run("run-1", WINDOW)
CAMPAIGN = "c-1"
SKELETON, SYSTEM, BUNDLE, POPULAR, EXIT = 11, 12, 13, 14, 15
ALARM = START + timedelta(days=2)


@dataclass
class Sent:
    """One exchange with its sketch; `carries` are sketch columns, `columns` those of the exchange."""

    account: str
    hours: float = 12.0
    carries: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def taken(account: str, hours: float = 12.0, **columns: Any) -> Sent:
    """An exchange inside of the campaign's slices: its skeleton."""
    return Sent(account, hours, {"skeleton_hash": SKELETON}, columns)


@dataclass
class Case:
    """What a run found, and the exchanges of its window. Findings map an account to its tier."""

    sent: Sequence[Sent]
    findings: dict[str, str] = field(default_factory=lambda: dict.fromkeys("abc", "accuse"))
    tokens: Sequence[tuple[str, int]] = (("skeleton", SKELETON), ("system", SYSTEM), ("shingle_bundle", BUNDLE))
    q_value: float = 0.0
    campaign_tier: str = "accuse"

    def tables(self) -> dict[str, pa.Table]:
        """The stage's inputs by name, but those that features make."""
        exchanges, sketches, records = [], [], []
        for key, one in enumerate(self.sent):
            row = exchange(key, one.account, hours=one.hours, **one.columns)
            exchanges.append(row)
            text = {"micro_cell": key, "capability": 1, "prompt_hash": 100 + key}
            sketches.append(sketch(key, **text | {"day": row["day"]} | one.carries))
            records.append(_record(row, one.record))
        return {
            EXCHANGES.name: pa.Table.from_pylist(exchanges, schema=EXCHANGES.schema),
            PROMPT_SKETCHES.name: pa.Table.from_pylist(sketches, schema=PROMPT_SKETCHES.schema),
            EXCHANGE_RECORDS.name: pa.Table.from_pylist(records, schema=EXCHANGE_RECORDS.schema),
            CAMPAIGNS.name: pa.Table.from_pylist([self._campaign()], schema=CAMPAIGNS.schema),
            CAMPAIGN_MEMBERS.name: pa.Table.from_pylist(self._members(), schema=CAMPAIGN_MEMBERS.schema),
            ACCOUNT_FINDINGS.name: pa.Table.from_pylist(self._found(), schema=ACCOUNT_FINDINGS.schema),
        }

    def exposed(self, engine: Engine, settings: Settings | None = None) -> dict[str, pa.Table]:
        """The stage's tables in memory."""
        given = {table.name: table for table in READS}
        with engine.scope():
            tables = {name: engine.from_arrow(given[name], rows) for name, rows in self.tables().items()}
            tables |= make_features(tables, RUN, engine=engine, settings=FeatureSettings())
            made = run(tables, RUN, engine=engine, settings=settings or Settings())
            return {name: engine.to_arrow(rows) for name, rows in made.items()}

    def total(self, engine: Engine) -> dict[str, Any]:
        """The row of all capabilities."""
        [row] = [row for row in self.exposed(engine)["exposures"].to_pylist() if row["capability"] == "all"]
        return dict(row)

    def _campaign(self) -> dict[str, Any]:
        return {
            "run_id": RUN.run_id, "campaign_id": CAMPAIGN, "tier": self.campaign_tier, "n_accounts": 3,
            "n_exchanges": 1, "input_tokens": 1, "output_tokens": 1, "first_seen_at": START, "last_seen_at": START,
            "capabilities": [], "signals": [], "signal_p_values": [], "signal_contributions": [], "token_kinds": [],
            "nearest_lookalike": "class", "margin": 1.0, "score": 9.0, "baseline": 1.0, "p_value": 1e-4,
            "q_value": self.q_value, "calibration": "shipped", "calibration_id": "cal-1", "best_group_id": "g-1",
            "n_groups": 1,
        }  # fmt: skip

    def _members(self) -> list[dict[str, Any]]:
        fixed = {"run_id": RUN.run_id, "campaign_id": CAMPAIGN, "n": 1, "first_seen_at": START, "last_seen_at": START}
        return [
            fixed | {"account_id": account, "token_kind": kind, "token": token}
            for account in self.findings
            for kind, token in self.tokens
        ]

    def _found(self) -> list[dict[str, Any]]:
        fixed = {
            "run_id": RUN.run_id, "campaign_id": CAMPAIGN, "score": 9.0, "p_value": 1e-4, "q_value": self.q_value,
            "first_flagged_at": ALARM, "reasons": [], "queue": "enforcement", "n_exchanges": 1,
            "n_flagged_exchanges": 1,
        }  # fmt: skip
        return [fixed | {"account_id": account, "tier": tier} for account, tier in self.findings.items()]


def _record(row: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    fixed = {name: row.get(name) for name in EXCHANGE_RECORDS.schema.names}
    key = row["exchange_key"]
    return fixed | {
        "source": "test", "source_record_id": str(key), "record_key": key, "ingest_batch_id": "b",
        "ingested_at": START, "content_capture": "full", **columns,
    }  # fmt: skip

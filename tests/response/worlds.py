"""A workspace with one campaign that was found, written straight into the lake."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from stillwatch.config import Config
from stillwatch.engines import Settings as EngineSettings
from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_FINDINGS,
    ACCOUNTS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    DETECTION_RUNS,
    TOKEN_USES,
)
from stillwatch.pipeline.response import Responder
from stillwatch.response import Policy
from stillwatch.store.workspace import Workspace

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
DAY = date(2026, 5, 9)
CAMPAIGN = "c-1"
TOKENS = {"skeleton": 11, "system": 22, "ja4": 33, "shingle": 44}
COMMON = {"tools": 55}
"""A token that the campaign shares with everybody."""
CONFIG = Config(engines=EngineSettings(memory_limit="500MB", threads=1))


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def micros(self) -> int:
        return int(self.at.timestamp()) * 1_000_000

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass(frozen=True)
class Found:
    """What one detection run found: accused accounts, reviewed ones, and all customers."""

    accused: tuple[str, ...] = tuple(f"bad-{n:02}" for n in range(24))
    reviewed: tuple[str, ...] = ("odd-00", "odd-01")
    honest: tuple[str, ...] = tuple(f"good-{n:02}" for n in range(40))
    owned: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    fleet: tuple[str, ...] = ()
    run_id: str = "run-1"
    as_of: datetime = NOON - timedelta(hours=1)
    n_customers: int = 1000
    kinds: tuple[str, ...] = ("skeleton", "system", "ja4")
    is_silent: bool = False
    """Whether the run found nothing, on the same traffic."""

    @property
    def flagged(self) -> tuple[str, ...]:
        return (*self.accused, *self.reviewed, *self.fleet)


def workspace(folder: Path, found: Found | None = None, *, state_url: str = "") -> Workspace:
    """A new workspace that holds what was found."""
    environ = {"STILLWATCH_KEYS": str(folder.parent / f"{folder.name}-keys.json")}
    made = Workspace.init(folder, state_url=state_url, environ=environ)
    store(made, found or Found())
    return made


def responder(opened: Workspace, clock: Clock) -> Responder:
    return Responder(opened, CONFIG, clock=clock)


def store(opened: Workspace, found: Found) -> None:
    """Add a run with its campaign, and one day of traffic."""
    run = {"run_id": found.run_id}
    flagged = () if found.is_silent else found.flagged
    rows: dict[Table, list[dict[str, object]]] = {
        DETECTION_RUNS: [_run(found)],
        CAMPAIGNS: [run | _campaign(found)] if flagged else [],
        ACCOUNT_FINDINGS: [_finding(found, account_id) for account_id in flagged],
        CAMPAIGN_MEMBERS: [
            _member(found, account_id, kind) for account_id in flagged for kind in _kinds(found, account_id)
        ],
    }
    with opened.lake.write() as writer:
        for table, content in rows.items():
            writer.replace(table, found.run_id, pa.Table.from_pylist(content, schema=table.schema))
        for table, content in _traffic(found).items():
            writer.replace(table, str(DAY), pa.Table.from_pylist(content, schema=table.schema))
        owners = [_owner(name, "Acme", None) for name in found.owned]
        owners += [_owner(name, None, ["evaluation"]) for name in found.contracts]
        writer.append(ACCOUNTS, pa.Table.from_pylist(owners, schema=ACCOUNTS.schema))
        writer.commit()


def again(found: Found, **changes: object) -> Found:
    """Another run with some of it changed."""
    return replace(found, **changes)


def _kinds(found: Found, account_id: str) -> Iterable[str]:
    return found.kinds if account_id not in found.reviewed else ("skeleton",)


def _run(found: Found) -> dict[str, object]:
    return {
        "run_id": found.run_id, "as_of": found.as_of, "known_at": None, "window_start": found.as_of - timedelta(days=7),
        "by": "account", "engine": "duckdb", "alpha": 1e-4, "calibration_id": "cal-1", "n_accounts": found.n_customers,
        "n_exchanges": 10_000, "n_groups": 3, "notes": [],
    }  # fmt: skip


def _campaign(found: Found) -> dict[str, object]:
    return {
        "campaign_id": CAMPAIGN, "tier": "accuse" if found.accused else "review", "n_accounts": len(found.flagged),
        "n_exchanges": 1000, "input_tokens": 1, "output_tokens": 1, "first_seen_at": found.as_of,
        "last_seen_at": found.as_of, "capabilities": ["reasoning"], "signals": ["day_homogeneity"],
        "signal_p_values": [1e-6], "signal_contributions": [6.0], "token_kinds": list(found.kinds),
        "nearest_lookalike": "class", "margin": 1.0, "score": 9.0, "baseline": 1.0, "p_value": 1e-4, "q_value": 0.01,
        "calibration": "shipped", "calibration_id": "cal-1", "best_group_id": "g-1", "n_groups": 1,
    }  # fmt: skip


def _finding(found: Found, account_id: str) -> dict[str, object]:
    accused = account_id in found.accused
    queue = "account_manager" if account_id in found.fleet else "enforcement" if accused else "review"
    return {
        "run_id": found.run_id, "account_id": account_id, "tier": "accuse" if accused else "review",
        "campaign_id": CAMPAIGN, "score": 9.0, "p_value": 1e-4, "q_value": 0.01, "first_flagged_at": found.as_of,
        "reasons": ["day_homogeneity"], "queue": queue, "n_exchanges": 40, "n_flagged_exchanges": 40,
    }  # fmt: skip


def _member(found: Found, account_id: str, kind: str) -> dict[str, object]:
    return {
        "run_id": found.run_id, "campaign_id": CAMPAIGN, "account_id": account_id, "token_kind": kind,
        "token": TOKENS[kind], "n": 40, "first_seen_at": found.as_of, "last_seen_at": found.as_of,
    }  # fmt: skip


def _traffic(found: Found) -> dict[Table, list[dict[str, object]]]:
    seen = datetime(2026, 5, 9, 6, tzinfo=UTC)
    shared = {
        "day": DAY, "n": 5, "input_tokens": 1, "output_tokens": 1, "openings": [6] * 5,
        "micro_cells": [], "prompts": [],
        "capabilities": [], "materials": [], "first_seen_at": seen, "last_seen_at": seen,
    }  # fmt: skip
    everybody = (*found.flagged, *found.honest)
    uses = [(name, kind, token) for name in found.flagged for kind, token in TOKENS.items()]
    uses += [(name, kind, token) for name in everybody for kind, token in COMMON.items()]
    return {
        TOKEN_USES: [shared | {"account_id": a, "token_kind": kind, "token": token} for a, kind, token in uses],
        ACCOUNT_DAYS: [
            shared | {"account_id": name, "n_errors": 0, "n_rate_limited": 0, "models": ["m"]} for name in everybody
        ],
    }


def _owner(account_id: str, owner: str | None, tags: list[str] | None) -> dict[str, object]:
    return {
        "account_id": account_id, "as_of": NOON - timedelta(days=30), "ingest_batch_id": "b", "ingested_at": NOON,
        "verified_owner": owner, "contract_tags": tags,
    }  # fmt: skip


def policy(*rules: str, limits: str = "") -> Policy:
    """A policy of rules given as `name | field = value; ...`, and wide limits unless others are given."""
    said = limits or "max_share_per_hour = 1.0; two_people_share = 1.0; false_positive_budget = 0.5"
    text = "[limits]\n" + said.replace("; ", "\n") + "\n"
    for rule in rules:
        name, _, body = rule.partition(" | ")
        text += f'[[rules]]\nname = "{name}"\n' + body.replace("; ", "\n") + "\n"
    return Policy.parse(text, "test.toml")


SLOW = 'slow | action = "rate_limit"; requests_per_minute = 2; mode = "enforce"; min_token_kinds = 2'
VERIFY = 'verify | action = "step_up"; tiers = ["accuse", "review"]; mode = "enforce"'
SUCCESSORS = (
    'successors | first_request = true; action = "suspend"; min_token_kinds = 2; mode = "enforce"; expires_after = "3d"'
)
GREET = 'greet | first_request = true; action = "step_up"; mode = "enforce"; expires_after = "3d"'

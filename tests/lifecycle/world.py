"""A handful of accounts over two days, one of whom has to go: everything that names it is told here."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.config import Config, DetectSettings
from stillwatch.engines import Settings as EngineSettings
from stillwatch.engines import open_engine
from stillwatch.ingest import Settings as IngestSettings
from stillwatch.pipeline import refresh_features
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace

START = datetime(2026, 4, 22, 9, tzinfo=UTC)
CLOCK = datetime(2026, 5, 10, tzinfo=UTC)
TARGET = "cust-7f3a"
EMAIL = "odd.person@mail.example"
OWN_PROMPT = "Quartz marmalade: which harbour sells it, and who asked before Tuesday evening?"
OWN_ADDRESS = "203.0.113.77"
SHARED_PROMPT = "Summarise the history of tea in four short lines, please, for a class of ten."
SHARED_ADDRESS = "192.0.2.7"
CONFIG = Config(
    detect=DetectSettings(window_days=3),
    ingest=IngestSettings(keep_contents=True),
    engines=EngineSettings(memory_limit="500MB", threads=2),
)
OTHERS = tuple(f"cust-{number:04x}" for number in range(6))


def exchanges(accounts: tuple[str, ...]) -> list[dict[str, Any]]:
    """Three exchanges of each account on each of two days; all share a prompt, the target also has its own."""
    rows = []
    for at, account in enumerate(accounts):
        for day in range(2):
            own = (
                OWN_PROMPT
                if account == TARGET
                else f"Write about the colours of stone number {at} and its kin at noon."
            )
            for n, prompt in enumerate((SHARED_PROMPT, f"Plan the {n_th(at)} trip of {account} on day {day}.", own)):
                rows.append(
                    {
                        "source_record_id": f"r-{account}-{day}-{n}",
                        "call_id": f"call-{account}-{day}-{n}",
                        "account_id": account,
                        "start_time": (START + timedelta(days=day, hours=n, minutes=at)).isoformat(),
                        "request_model": "model-a",
                        "conversation_id": f"v-{account}-{day}-{n}",
                        "prompt": prompt,
                        "client_address": OWN_ADDRESS if account == TARGET and n else SHARED_ADDRESS,
                        "input_tokens": 40 + n,
                        "output_tokens": 300 + at,
                    }
                )
    return rows


def n_th(number: int) -> str:
    return ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")[number]


def echoes(accounts: tuple[str, ...]) -> list[dict[str, Any]]:
    """What a client's own tracing reports of the calls: the text, no account."""
    told = ("call_id", "start_time", "request_model", "prompt")
    return [
        {"source_record_id": f"e-{row['source_record_id']}", **{name: row[name] for name in told}}
        for row in exchanges(accounts)
        if row["call_id"].endswith("2")
    ]


def register(accounts: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "account_id": account,
            "created_at": "2026-04-01T00:00:00Z",
            "email": EMAIL if account == TARGET else f"{account}@mail.example",
            "payment_fingerprint": "card-odd" if account == TARGET else "card-shared",
            "signup_client_address": OWN_ADDRESS if account == TARGET else SHARED_ADDRESS,
        }
        for account in accounts
    ]


def happenings(accounts: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"h-{account}",
            "account_id": account,
            "event_time": "2026-04-22T01:00:00Z",
            "event_name": "signup",
        }
        for account in accounts
    ]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def opened(folder: Path, *, config: Config = CONFIG, clock: datetime = CLOCK) -> Stillwatch:
    workspace = Workspace.open(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")})
    return Stillwatch(workspace, config, clock=lambda: clock)


def refresh(watch: Stillwatch) -> None:
    """Bring daily aggregates up to date."""
    with closing(open_engine("duckdb", watch.config.engines)) as engine:
        refresh_features(watch.workspace.lake, engine=engine, config=watch.config)


def made(folder: Path, accounts: tuple[str, ...] = (*OTHERS, TARGET), *, config: Config = CONFIG) -> Path:
    """A workspace in `folder` that holds everything of `accounts`, and their daily aggregates."""
    folder.mkdir(exist_ok=True)
    Workspace.init(folder / "workspace", environ={"STILLWATCH_KEYS": str(folder / "keys.json")}).close()
    with opened(folder, config=config) as watch:
        watch.ingest_accounts([write_lines(folder / "accounts.jsonl", register(accounts))])
        watch.ingest_account_events([write_lines(folder / "events.jsonl", happenings(accounts))])
        watch.ingest([write_lines(folder / "exchanges.jsonl", exchanges(accounts))])
        watch.ingest([write_lines(folder / "echoes.jsonl", echoes(accounts))])
        refresh(watch)
    return folder


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below `folder`, Parquet decompressed: path and bytes."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        yield name, path.read_bytes()
        if path.suffix == ".parquet":
            sink = pa.BufferOutputStream()
            rows = pq.read_table(path, partitioning=None)
            pq.write_table(rows, sink, compression="none", use_dictionary=False, write_statistics=False)
            yield f"{name} decompressed", sink.getvalue().to_pybytes()


def where(folder: Path, needle: bytes) -> list[str]:
    """Files below `folder` that hold `needle`."""
    return [name for name, body in bytes_of(folder) if needle in body]


def rows_of(watch: Stillwatch, table: Any, drop: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """All rows of a lake table in the order of its key, some columns left out."""
    files = watch.workspace.lake.snapshot().files(table)
    parts = [table.empty(), *(pq.read_table(file, schema=table.schema, partitioning=None) for file in files)]
    rows = pa.concat_tables(parts).sort_by([(name, "ascending") for name in table.key])
    return rows.drop_columns([name for name in drop if name in rows.column_names]).to_pylist()

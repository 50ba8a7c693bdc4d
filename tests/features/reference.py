"""Daily features the slow way: plain Python over rows, no engine."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
KINDS = {
    "skeleton": "skeleton_hash",
    "system": "system_hash",
    "tools": "tools_hash",
    "address": "client_address",
    "prefix": "client_prefix",
    "ja4": "tls_client_ja4_hash",
}
IDENTITY = {"account": "account_id", "org": "org_id", "end_user": "end_user_id"}


def reference_features(
    exchanges: Iterable[Row], sketches: Iterable[Row], start: datetime, end: datetime, by: str = "account"
) -> dict[str, list[dict[str, Any]]]:
    """Rows of `token_uses` and `account_days`, sorted by key."""
    text = {sketch["exchange_key"]: sketch for sketch in sketches}
    rows = []
    for exchange in exchanges:
        account = exchange[IDENTITY[by]]
        if account is not None and start <= exchange["start_time"] < end:
            sketch = text.get(exchange["exchange_key"], {})
            rows.append({**sketch, **exchange, "account_id": account, "day": exchange["start_time"].date()})
    rows.sort(key=lambda row: (row["start_time"], row["exchange_key"]))
    mark_first_sights(rows)
    return {"token_uses": token_uses(rows), "account_days": account_days(rows)}


def mark_first_sights(rows: list[dict[str, Any]]) -> None:
    seen = set()
    for row in rows:
        sight = (row["day"], row["account_id"], row["conversation_id"], row.get("prompt_hash"))
        row["counts"] = sight[-1] is not None and sight not in seen
        seen.add(sight)
    openings = {}
    for row in sorted(rows, key=lambda row: row.get("prompt_hash") is None):
        conversation = row["start_time"].hour if row["conversation_id"] is None else row["conversation_id"]
        row["opens"] = openings.setdefault((row["day"], row["account_id"], conversation), row) is row


def token_uses(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    users = defaultdict(set)
    for row in rows:
        for shingle in row.get("shingles") or ():
            users[row["day"], shingle].add(row["account_id"])
    groups = defaultdict(list)
    for row in rows:
        tokens = [(kind, row.get(name)) for kind, name in KINDS.items()]
        tokens += [("shingle", s) for s in row.get("shingles") or () if len(users[row["day"], s]) >= 2]
        for kind, token in tokens:
            if token is not None:
                groups[row["day"], row["account_id"], kind, token].append(row)
    names = ("day", "account_id", "token_kind", "token")
    return [dict(zip(names, key, strict=True)) | volumes(groups[key]) for key in sorted(groups)]


def account_days(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["day"], row["account_id"]].append(row)
    return [
        {"day": day, "account_id": account}
        | volumes(groups[day, account])
        | {
            "n_errors": sum(row["status"] == "error" for row in groups[day, account]),
            "n_rate_limited": sum(row["http_status_code"] == 429 for row in groups[day, account]),
            "models": sorted({row["request_model"] for row in groups[day, account]} - {None}),
        }
        for day, account in sorted(groups)
    ]


def volumes(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = [row for row in rows if row["counts"]]
    return {
        "n": len(rows),
        "input_tokens": sum(row["input_tokens"] or 0 for row in rows),
        "output_tokens": sum(row["output_tokens"] or 0 for row in rows),
        "openings": sorted(row["start_time"].hour for row in rows if row["opens"]),
        "micro_cells": sorted(row["micro_cell"] for row in first if row["micro_cell"] is not None),
        "capabilities": sorted(row["capability"] for row in first if row["capability"] is not None),
        "prompts": sorted((row["prompt_hash"] >> 2) & 0x7FFF for row in first if row["prompt_hash"] & 3 == 0),
        "materials": sorted(
            bin_
            for row in rows
            if row["opens"] and row.get("prompt_hash") is not None
            for bin_ in row["materials"] or ()
        ),
        "first_seen_at": min(row["start_time"] for row in rows),
        "last_seen_at": max(row["start_time"] for row in rows),
    }

"""Views of stored runs, against what a person would count by hand on a few days of traffic."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.errors import UsageError
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
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace
from tests.response.worlds import CONFIG, NOON, Clock, policy, responder
from tests.response.worlds import workspace as found_workspace

START = datetime(2026, 5, 1, tzinfo=UTC)
USES = [
    # day, account, kind, token, exchanges
    (0, "a", "skeleton", 1, 4), (0, "a", "skeleton", 2, 3), (0, "a", "ja4", 7, 6), (0, "a", "shingle", 5, 4),
    (0, "a", "shingle", 6, 4), (1, "a", "ja4", 7, 2), (1, "b", "skeleton", 1, 9), (2, "c", "skeleton", 1, 2),
    (0, "good", "ja4", 7, 1), (2, "good", "ja4", 7, 1), (1, "good", "skeleton", 8, 5),
]  # fmt: skip
MEMBERS = [
    # account, kind, token, day of the first exchange
    ("a", "skeleton", 1, 0), ("a", "skeleton", 2, 0), ("a", "ja4", 7, 0), ("a", "shingle_bundle", 5, 0),
    ("a", "shingle_bundle", 6, 0), ("b", "skeleton", 1, 1), ("c", "skeleton", 1, 2), ("c", "device", 99, 2),
]  # fmt: skip
MODELS = {(0, "a"): ["m-1", "m-2"], (1, "a"): ["m-1"], (1, "b"): ["m-2"], (2, "c"): [], (0, "good"): ["m-9"]}


def at(day: int) -> datetime:
    return START + timedelta(days=day, hours=6)


def of(table: Any, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=table.schema)


def filled(workspace: Workspace) -> None:
    """Three days of traffic of three members and one customer, and one run that found a campaign."""
    day_rows = {(day, account) for day, account, *_ in USES}
    shared = {"input_tokens": 1, "output_tokens": 1, "openings": [], "micro_cells": [], "capabilities": [],
              "prompts": [], "materials": []}  # fmt: skip
    run = {"run_id": "run-1", "campaign_id": "c-1"}
    campaign = {
        "tier": "accuse", "n_accounts": 3, "n_exchanges": 22, "input_tokens": 1, "output_tokens": 1,
        "first_seen_at": at(0), "last_seen_at": at(2), "capabilities": [], "signals": ["pivot", "youth"],
        "signal_p_values": [0.01, 0.9], "signal_contributions": [4.0, -1.0], "token_kinds": ["skeleton"],
        "nearest_lookalike": "class", "margin": 2.0, "score": 5.0, "baseline": 2.0, "p_value": 0.1, "q_value": 0.01,
        "calibration": "shipped", "calibration_id": "cal", "best_group_id": "g", "n_groups": 1,
    }  # fmt: skip
    findings = [
        run | {"account_id": name, "tier": tier, "reasons": [], "held_back": held, "n_exchanges": 1,
               "n_flagged_exchanges": 1}
        for name, tier, held in (("a", "accuse", None), ("b", "accuse", None), ("c", "review", "few_exchanges"))
    ]  # fmt: skip
    members = [
        run | {"account_id": account, "token_kind": kind, "token": token, "n": 1, "first_seen_at": at(day),
               "last_seen_at": at(day)}
        for account, kind, token, day in MEMBERS
    ]  # fmt: skip
    ran = {"run_id": "run-1", "as_of": START + timedelta(days=3), "window_start": START, "by": "account",
           "engine": "duckdb", "alpha": 1e-4, "calibration_id": "cal", "n_accounts": 4, "n_exchanges": 30,
           "n_groups": 1, "notes": []}  # fmt: skip
    with workspace.lake.write() as writer:
        for table, rows in ((DETECTION_RUNS, [ran]), (CAMPAIGNS, [run | campaign]), (ACCOUNT_FINDINGS, findings),
                            (CAMPAIGN_MEMBERS, members)):  # fmt: skip
            writer.replace(table, "run-1", of(table, rows))
        for number in range(3):
            day = (START + timedelta(days=number)).date()
            seen = shared | {"day": day, "first_seen_at": at(number), "last_seen_at": at(number)}
            uses = [
                seen | {"account_id": account, "token_kind": kind, "token": token, "n": n}
                for when, account, kind, token, n in USES
                if when == number
            ]
            days = [
                seen | {"account_id": account, "n": 10, "n_errors": 1, "n_rate_limited": 0,
                        "models": MODELS.get((number, account), [])}
                for when, account in sorted(day_rows)
                if when == number
            ]  # fmt: skip
            writer.replace(TOKEN_USES, str(day), of(TOKEN_USES, uses))
            writer.replace(ACCOUNT_DAYS, str(day), of(ACCOUNT_DAYS, days))
        writer.commit()


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stillwatch]:
    folder = tmp_path_factory.mktemp("views")
    environ = {"STILLWATCH_KEYS": str(folder / "keys.json")}
    with Workspace.init(folder / "workspace", environ=environ) as made:
        filled(made)
        events = [
            {"day": at(day).date(), "event_id": f"e-{number}", "account_id": account, "event_time": at(day),
             "event_name": name, "ingest_batch_id": "b", "ingested_at": NOON}
            for number, (day, account, name) in enumerate(
                [(1, "a", "suspended"), (0, "good", "suspended"), (0, "b", "key_created")]
            )
        ]  # fmt: skip
        with made.lake.write() as writer:
            writer.append(ACCOUNT_EVENTS, of(ACCOUNT_EVENTS, events))
            writer.commit()
        yield Stillwatch(made, CONFIG, clock=lambda: NOON)


def test_exchanges_of_one_kind_add_up_and_of_several_kinds_the_largest_counts(watch: Stillwatch) -> None:
    rows = watch.views.population_days().to_pylist()
    assert [row["n_flagged_exchanges"] for row in rows] == [max(4 + 3, 6, 4), 2 + 9, 2]
    assert [row["n_flagged_accounts"] for row in rows] == [1, 2, 1]
    assert [(row["n_exchanges"], row["n_accounts"], row["n_errors"]) for row in rows] == [
        (20, 2, 2), (30, 3, 3), (20, 2, 2),
    ]  # fmt: skip


def test_a_timeline_tells_who_joined_who_was_suspended_and_who_came_after(watch: Stillwatch) -> None:
    rows = watch.views.timeline("c-1").to_pylist()
    assert [row["day"] for row in rows] == [date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 3)]
    assert [row["n_exchanges"] for row in rows] == [7, 11, 2]
    assert [row["n_accounts"] for row in rows] == [1, 2, 1]
    assert [row["n_new_accounts"] for row in rows] == [1, 1, 1]
    assert [row["n_suspended"] for row in rows] == [0, 1, 0]
    assert [row["n_successors"] for row in rows] == [0, 0, 1]
    assert [dict(zip(row["models"], row["model_accounts"], strict=True)) for row in rows] == [
        {"m-1": 1, "m-2": 1}, {"m-1": 1, "m-2": 1}, {},
    ]  # fmt: skip


def test_a_decision_to_suspend_counts_as_a_suspension_and_one_in_shadow_does_not(tmp_path: Path) -> None:
    rule = 'stop | action = "suspend"; mode = "{}"; min_token_kinds = 2; expires_after = "3d"'
    for mode, n in (("shadow", 0), ("enforce", 24)):
        made = found_workspace(tmp_path / mode)
        clock = Clock(NOON - timedelta(hours=3))
        responder(made, clock).apply(policy(rule.format(mode)), author="ana", second="ben")
        rows = Stillwatch(made, CONFIG, clock=clock).views.timeline("c-1")
        assert sum(rows["n_suspended"].to_pylist()) == n


def test_tokens_tell_members_and_everybody_else_who_carries_them(watch: Stillwatch) -> None:
    rows = {(row["token_kind"], row["token"]): row for row in watch.views.tokens("c-1").to_pylist()}
    skeleton, ja4, device = rows["skeleton", "1"], rows["ja4", "7"], rows["device", "99"]
    assert (skeleton["n_members"], skeleton["n_adopters"], skeleton["n_honest"], skeleton["exclusivity"]) == (
        3,
        3,
        0,
        1,
    )
    assert (ja4["n_members"], ja4["n_adopters"], ja4["n_honest"], ja4["exclusivity"]) == (1, 2, 1, 0.5)
    assert (device["n_members"], device["n_adopters"], device["n_honest"], device["exclusivity"]) == (
        1,
        None,
        None,
        None,
    )
    assert not any(row["is_exclusive"] for row in rows.values())
    assert rows["shingle_bundle", "5"]["n_adopters"] == 1
    assert {row["content_ref"] for row in rows.values()} == {None}


def test_holders_of_a_token_are_everybody_with_what_the_run_says_of_them(watch: Stillwatch) -> None:
    rows = watch.views.token_holders("ja4", 7).to_pylist()
    assert [(row["account_id"], row["tier"], row["campaign_id"], row["n"]) for row in rows] == [
        ("a", "accuse", "c-1", 8), ("good", "none", None, 2),
    ]  # fmt: skip


def test_evidence_counts_what_speaks_against_and_who_is_held_back(watch: Stillwatch) -> None:
    said = watch.views.evidence("c-1")
    assert [(step["name"], step["is_counter"]) for step in said["steps"]] == [
        ("size, volume, tests", False), ("pivot", False), ("youth", True),
    ]  # fmt: skip
    assert [step["end"] for step in said["steps"]] == [2.0, 6.0, 5.0]
    assert (said["lookalike"]["point"], said["n_accused"], said["held_back"]) == (3.0, 2, {"few_exchanges": 1})
    assert {one["name"] for one in said["silent"]} & {"pivot", "youth"} == set()


def test_a_campaign_that_the_run_does_not_have_is_no_empty_view(watch: Stillwatch) -> None:
    for view in (watch.views.timeline, watch.views.tokens, watch.views.evidence, watch.views.graph):
        with pytest.raises(UsageError, match="c-none"):
            view("c-none")


def test_history_tells_runs_judgements_and_what_was_done_in_order(tmp_path: Path) -> None:
    made = found_workspace(tmp_path / "history")
    clock = Clock(NOON)
    watch = Stillwatch(made, CONFIG, clock=clock)
    rule = 'slow | action = "rate_limit"; requests_per_minute = 2; mode = "enforce"; min_token_kinds = 2'
    responder(made, clock).apply(policy(rule), author="ana", second="ben")
    clock.advance(hours=1)
    watch.judge("c-1", "distillation", author="ana", note="sure")
    watch.judge("bad-00", "honest", author="ana", note="of an account, not of the campaign")
    clock.advance(hours=1)
    responder(made, clock).appeal("bad-00", author="ben", note="a class")
    rows = watch.views.history("c-1").to_pylist()
    assert [(row["kind"], row["what"], row["author"], row["n_accounts"]) for row in rows] == [
        ("run", "accuse", None, 26), ("decision", "rate_limit (enforce)", "ana", 24),
        ("judgement", "distillation", "ana", None), ("event", "appealed", "ben", 1),
    ]  # fmt: skip
    assert rows[0]["q_value"] == 0.01
    assert watch.views.history("c-none").num_rows == 0


def test_a_token_shows_a_stored_text_that_a_member_sent(watch: Stillwatch, tmp_path: Path) -> None:
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    with Workspace.init(tmp_path / "texts", environ=environ) as made:
        filled(made)
        day = START.date()
        records = [
            {"day": day, "source": "s", "source_record_id": name, "record_key": number, "exchange_key": number,
             "ingest_batch_id": "b", "ingested_at": NOON, "account_id": name, "start_time": at(0), "status": "ok",
             "content_capture": "full", "input_messages_ref": f"text of {name}"}
            for number, name in enumerate(("good", "a"))
        ]  # fmt: skip
        sketches = [
            {"day": day, "record_key": number, "exchange_key": number, "ingested_at": NOON, "sketch_version": 1,
             "skeleton_hash": 1, "shingles": [5, 6]}
            for number in range(2)
        ]  # fmt: skip
        text = {"day": day, "content_ref": "text of a", "kind": "input_messages", "body": "x", "n_chars": 1,
                "ingested_at": NOON}  # fmt: skip
        with made.lake.write() as writer:
            for table, rows in ((EXCHANGE_RECORDS, records), (PROMPT_SKETCHES, sketches), (CONTENTS, [text])):
                writer.append(table, of(table, rows))
            writer.commit()
        rows = Stillwatch(made, CONFIG).views.tokens("c-1").to_pylist()
    shown = {(row["token_kind"], row["token"]): row["content_ref"] for row in rows}
    assert shown["skeleton", "1"] == shown["shingle_bundle", "5"] == "text of a"
    assert shown["skeleton", "2"] is shown["ja4", "7"] is None


def test_data_health_adds_batches_up_by_source(tmp_path: Path) -> None:
    environ = {"STILLWATCH_KEYS": str(tmp_path / "keys.json")}
    batches = [
        {"ingest_batch_id": f"b-{number}", "source": source, "uri": "u", "digest": "d", "source_version": "1",
         "started_at": START + timedelta(hours=number), "finished_at": START + timedelta(hours=number, minutes=1),
         "records_in": n, "rows_out": n - 1, "duplicates": 0, "rejected": 1, "field_coverage": coverage}
        for number, (source, n, coverage) in enumerate(
            [("litellm", 10, '{"model":1.0,"user":0.5}'), ("litellm", 30, '{"model":1.0}'), ("otlp", 5, "{}")]
        )
    ]  # fmt: skip
    rejects = [
        {"ingest_batch_id": batch, "line_no": line, "reason": reason, "n_bytes": 1, "digest": "d"}
        for batch, line, reason in (("b-0", 1, "bad_json"), ("b-1", 1, "bad_json"), ("b-2", 1, "bad_time"))
    ]
    with Workspace.init(tmp_path / "health", environ=environ) as made:
        with made.lake.write() as writer:
            writer.append(INGEST_BATCHES, of(INGEST_BATCHES, batches))
            writer.append(INGEST_REJECTS, of(INGEST_REJECTS, rejects))
            writer.commit()
        views = Stillwatch(made, CONFIG).views
        sources, reasons, coverage = views.source_health(), views.reject_reasons(), views.field_coverage()
    assert [(row["source"], row["n_batches"], row["records_in"], row["last_exchange_at"])
            for row in sources.to_pylist()] == [("litellm", 2, 40, None), ("otlp", 1, 5, None)]  # fmt: skip
    assert [tuple(row.values()) for row in reasons.to_pylist()] == [
        ("litellm", "bad_json", 2, "b-1"), ("otlp", "bad_time", 1, "b-2"),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in coverage.to_pylist()] == [
        ("litellm", "model", 1.0, 1.0), ("litellm", "user", 0.125, 0.0),
    ]  # fmt: skip

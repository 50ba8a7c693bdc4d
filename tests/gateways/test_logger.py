"""The LiteLLM logger alone: what it drops it counts, and a customer's call never feels it.

The base class of LiteLLM is stood in for: it does nothing that the logger uses. `test_litellm.py` runs the real one.
"""

import asyncio
import importlib.util
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException

from tests.api.served import wait_until
from tests.conftest import REPOSITORY

CALL = {"standard_logging_object": {"id": "call-1", "metadata": {"user_api_key_user_id": "acct"}, "model": "m"}}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file as a gateway loads it."""
    base = ModuleType("litellm.integrations.custom_logger")
    base.CustomLogger = type("CustomLogger", (), {})  # type: ignore[attr-defined]
    monkeypatch.setattr(logging.getLogger("LiteLLM Proxy"), "handlers", [])
    for name, module in (
        ("litellm", ModuleType("litellm")),
        ("litellm.integrations", ModuleType("i")),
        (base.__name__, base),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("STILLWATCH_URL", "http://127.0.0.1:9")
    spec = importlib.util.spec_from_file_location("logger_example", REPOSITORY / "examples" / "litellm_stillwatch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 1.0)
    return module


@contextmanager
def answering(status: int, gate: threading.Event) -> Iterator[str]:
    """A receiver that answers with one status, once the gate is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = b"bad\nworse\n"
            self.send_response(status)
            self.send_header("content-length", str(len(listed)))
            self.end_headers()
            self.wfile.write(listed)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            gate.wait(30)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def log(logger: Any, n: int) -> None:
    for _ in range(n):
        asyncio.run(logger.async_log_success_event(CALL, None, 0.0, 1.0))


def test_records_that_the_receiver_refuses_are_dropped_and_counted(example: ModuleType) -> None:
    gate = threading.Event()
    gate.set()
    with answering(400, gate) as url:
        logger = example.StillwatchLogger(url, "key")
        log(logger, 3)
        wait_until(lambda: logger.n_dropped == 3)
        logger.close()
    assert logger.n_sent == 0


def test_what_does_not_fit_into_the_queue_is_dropped_at_once_and_counted(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "QUEUE_RECORDS", 4)
    monkeypatch.setattr(example, "BATCH_RECORDS", 1)
    gate = threading.Event()
    with answering(200, gate) as url:
        logger = example.StillwatchLogger(url, "key")
        log(logger, 1)
        wait_until(logger._queue.empty)  # the first record is on its way and waits at the gate
        log(logger, 10)
        assert logger.n_dropped == 6
        gate.set()
        wait_until(lambda: logger.n_sent == 5)
        logger.close()
    assert logger.n_sent + logger.n_dropped == 11


def test_a_record_of_an_unknown_form_costs_itself_alone(example: ModuleType) -> None:
    gate = threading.Event()
    gate.set()
    with answering(200, gate) as url:
        logger = example.StillwatchLogger(url, "key")
        asyncio.run(logger.async_log_failure_event({"standard_logging_object": 7}, None, 0.0, 1.0))
        assert logger.n_dropped == 1
        log(logger, 1)
        wait_until(lambda: logger.n_sent == 1)
        logger.close()


def passes(logger: Any, account: str) -> bool:
    """Whether the logger lets an account's call pass."""
    caller = SimpleNamespace(user_id=account, org_id="org", api_key="hash")
    try:
        asyncio.run(logger.async_pre_call_hook(caller, None, {}, "completion"))
    except HTTPException as error:
        return error.status_code != 403
    return True


def test_who_is_suspended_stays_out_while_nobody_answers(example: ModuleType) -> None:
    gate = threading.Event()
    gate.set()
    with answering(200, gate) as url:
        logger = example.StillwatchLogger(url, "key")
        wait_until(lambda: logger._suspended)
        assert [passes(logger, name) for name in ("good", "bad", "worse")] == [True, True, True]
    assert [passes(logger, name) for name in ("good", "bad", "worse")] == [True, False, False]
    logger.close()


def test_a_call_that_passed_without_a_decision_is_counted_and_marked(example: ModuleType) -> None:
    logger = example.StillwatchLogger("http://127.0.0.1:9", "key")
    said = logging.getLogger("LiteLLM Proxy")
    said.propagate = False
    try:
        said.critical("Error (fail-open). api_base=%s litellm_call_id=%s litellm_trace_id=%s", "url", "c-1", "t")
        said.critical("another %s", "matter")
    finally:
        said.propagate = True
    assert logger.n_bypassed == 1
    assert (logger._unanswered.has("c-2"), logger._unanswered.has("c-1"), logger._unanswered.has("c-1")) == (
        False, True, False,
    )  # fmt: skip
    span = example.span_of({"litellm_call_id": "c-1"}, with_content=False, is_bypass=True)
    assert {"key": "stillwatch.bypass", "value": {"stringValue": "true"}} in span["attributes"]
    logger.close()

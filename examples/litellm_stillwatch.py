"""Sends every call of a LiteLLM proxy to stillwatch's OTLP receiver. One file: the standard library and litellm only.

Beside the proxy's configuration, with `callbacks: litellm_stillwatch.logger` under `litellm_settings`. Environment:
STILLWATCH_URL (http://127.0.0.1:8721), STILLWATCH_KEY (a key with the role ingest), STILLWATCH_CONTENT (`off` leaves
prompts and answers out).

A call of a customer never waits for stillwatch and never fails because of it: records wait in a bounded queue, a thread
sends them, and what does not fit or cannot be sent in time is dropped and counted (`logger.n_dropped`).

Beside the guardrail, which with `unreachable_fallback: fail_open` lets every call pass while stillwatch is away, it
keeps the list of suspended accounts: those stay out. Each call that passed without a decision is counted
(`logger.n_bypassed`) and marked in what is sent.
"""

import asyncio
import atexit
import collections
import hashlib
import json
import logging
import os
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

QUEUE_RECORDS = 10_000
"""Calls that may wait; at 50 kB each this is half a gigabyte."""
BATCH_RECORDS = 100
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 10.0
TRIES = 5
CLOSE_SECONDS = 5.0
LIST_SECONDS = 10.0
"""How often the list of suspended accounts is fetched."""
ASK_SECONDS = 0.5
"""How long a suspended account may wait for whether stillwatch is there."""
FAILED_OPEN = re.compile(r"\(fail-open\).*\blitellm_call_id=(\S+)", re.DOTALL)
"""What LiteLLM's guardrail logs of a call that it lets pass."""
OPERATIONS = {"aembedding": "embeddings", "embedding": "embeddings", "atext_completion": "text_completion"}

_log = logging.getLogger("litellm_stillwatch")


class StillwatchLogger(CustomLogger):
    """Queues each finished call as an OpenTelemetry span."""

    def __init__(self, url: str, key: str, *, with_content: bool = True) -> None:
        super().__init__()
        self.n_dropped = 0
        self.n_sent = 0
        self._server = url.rstrip("/")
        self._url = self._server + "/v1/traces"
        self._suspended: frozenset[str] = frozenset()
        self._unanswered = Unanswered()
        logging.getLogger("LiteLLM Proxy").addHandler(self._unanswered)
        self._headers = {"content-type": "application/json", "x-stillwatch-key": key}
        self._with_content = with_content
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue(QUEUE_RECORDS)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stillwatch", daemon=True)
        self._thread.start()
        threading.Thread(target=self._keep_list, name="stillwatch list", daemon=True).start()
        atexit.register(self.close)

    @property
    def n_bypassed(self) -> int:
        """Calls for which stillwatch did not answer and that were let pass."""
        return self._unanswered.n

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> None:
        """Refuse who was suspended while nobody answers; else the guardrail decides."""
        names = (user_api_key_dict.user_id, user_api_key_dict.org_id, user_api_key_dict.api_key)
        if next(filter(None, names), None) in self._suspended and not await asyncio.to_thread(self._is_there):
            raise HTTPException(403, "this account is suspended")

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Queue a call that was answered."""
        self._take(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Queue a call that failed: probing shows there."""
        self._take(kwargs)

    def close(self) -> None:
        """Send what waits, for at most CLOSE_SECONDS."""
        self._is_over.set()
        self._thread.join(CLOSE_SECONDS)

    def _get(self, path: str, seconds: float) -> str:
        request = urllib.request.Request(self._server + path, headers=self._headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return str(answer.read(), "utf-8")

    def _is_there(self) -> bool:
        try:
            return bool(self._get("/healthz", ASK_SECONDS))
        except OSError:
            return False

    def _keep_list(self) -> None:
        """Fetch the list again and again; while nobody answers the last one stays."""
        while not self._is_over.is_set():
            try:
                self._suspended = frozenset(self._get("/v1/suspended", TIMEOUT_SECONDS).split())
            except OSError as error:
                _log.info("the list of suspended accounts was not fetched (%s)", type(error).__name__)
            self._is_over.wait(LIST_SECONDS)

    def _take(self, kwargs: dict[str, Any]) -> None:
        try:
            payload = kwargs.get("standard_logging_object")
            if payload:
                is_bypass = self._unanswered.has(payload.get("litellm_call_id"))
                self._queue.put_nowait(span_of(payload, with_content=self._with_content, is_bypass=is_bypass))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with a record is not the customer's trouble
            self._dropped(1, type(error).__name__)

    def _dropped(self, n: int, why: str) -> None:
        self.n_dropped += n
        if self.n_dropped == n or self.n_dropped % 1000 < n:
            _log.warning("%d records for stillwatch were dropped so far (%s)", self.n_dropped, why)

    def _work(self) -> None:
        while not (self._is_over.is_set() and self._queue.empty()):
            batch = self._batch()
            if batch:
                self._send(batch)

    def _batch(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        try:
            batch.append(self._queue.get(timeout=PAUSE_SECONDS))
            while len(batch) < BATCH_RECORDS:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            return batch
        return batch

    def _send(self, batch: list[dict[str, Any]]) -> None:
        scope = {"name": "litellm_stillwatch", "version": "1"}
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": batch}]}]}).encode()
        why = "unreachable"
        for tries in range(TRIES):
            try:
                request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310  # the operator's own URL
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
                    self.n_sent += len(batch)
                return
            except urllib.error.HTTPError as error:
                why = f"HTTP {error.code}"
                if error.code not in {408, 429, 502, 503, 504}:
                    break
                wait = error.headers.get("retry-after") or ""
                self._is_over.wait(min(30.0, float(wait) if wait.isdigit() else 2.0**tries))
            except OSError:
                self._is_over.wait(2.0**tries)
        self._dropped(len(batch), why)


class Unanswered(logging.Handler):
    """Hears LiteLLM say which calls its guardrail let pass because nobody answered; nothing else of it tells."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.n = 0
        self._calls: collections.deque[str] = collections.deque(maxlen=QUEUE_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        """Count a call, and remember its id."""
        found = FAILED_OPEN.search(record.getMessage())
        if found:
            self.n += 1
            self._calls.append(found[1])
            if self.n == 1 or self.n % 1000 == 0:
                _log.warning("stillwatch did not answer: %d calls passed without a decision so far", self.n)

    def has(self, call_id: object) -> bool:
        """Whether the call was let pass without a decision; it is forgotten then."""
        try:
            self._calls.remove(str(call_id))
        except ValueError:
            return False
        return True


def span_of(payload: dict[str, Any], *, with_content: bool, is_bypass: bool) -> dict[str, Any]:
    """One span for one StandardLoggingPayload. Its ids are a digest of the call's id: sent twice, it counts once.

    No header of the client is read, and no address of an account's holder.
    """
    digest = hashlib.sha256(str(payload.get("litellm_call_id") or payload.get("id")).encode()).hexdigest()
    known = _attributes(payload, with_content=with_content) | {"stillwatch.bypass": "true" if is_bypass else None}
    attributes = [{"key": name, "value": _value(value)} for name, value in known.items() if value]
    failed = payload.get("status") == "failure"
    return {
        "traceId": digest[:32],
        "spanId": digest[32:48],
        "name": "litellm",
        "kind": 3,
        "startTimeUnixNano": str(int(float(payload.get("startTime") or time.time()) * 1e9)),
        "endTimeUnixNano": str(int(float(payload.get("endTime") or time.time()) * 1e9)),
        "attributes": attributes,
        "status": {"code": 2} if failed else {},
    }


def _attributes(payload: dict[str, Any], *, with_content: bool) -> dict[str, Any]:
    known = payload.get("metadata") or {}
    user, organisation, key = (known.get(f"user_api_key_{name}") for name in ("user_id", "org_id", "hash"))
    call_type = str(payload.get("call_type") or "")
    fault = payload.get("error_information") or {}
    return {
        "gen_ai.operation.name": OPERATIONS.get(call_type, "chat"),
        "gen_ai.provider.name": payload.get("custom_llm_provider"),
        "gen_ai.request.model": payload.get("model_group") or payload.get("model"),
        "gen_ai.response.model": payload.get("model"),
        "gen_ai.response.id": payload.get("id"),
        "gen_ai.usage.input_tokens": payload.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": payload.get("completion_tokens"),
        "gen_ai.conversation.id": payload.get("session_id"),
        "user.id": user or organisation or key,
        "service.namespace": organisation or known.get("user_api_key_team_id"),
        "enduser.id": payload.get("end_user"),
        "user_agent.original": payload.get("user_agent"),
        "error.type": fault.get("error_class") or fault.get("error_code"),
        **(_content(payload) if with_content else {}),
    }


def _content(payload: dict[str, Any]) -> dict[str, Any]:
    """Texts and tools as JSON strings, in the form of OpenTelemetry's message parts."""
    said = payload.get("messages")
    messages = said if isinstance(said, list) else [{"role": "user", "content": said}] if isinstance(said, str) else []
    answered = payload.get("response")
    choices = answered.get("choices") or [] if isinstance(answered, dict) else []
    parameters = payload.get("model_parameters") or {}
    shown = {
        "gen_ai.input.messages": [_message(m) for m in messages if isinstance(m, dict)],
        "gen_ai.output.messages": [_message(c.get("message") or {}) for c in choices if isinstance(c, dict)],
        "gen_ai.tool.definitions": parameters.get("tools"),
    }
    return {name: json.dumps(value) for name, value in shown.items() if value}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    texts = [content] if isinstance(content, str) else [part.get("text") for part in content or []]
    parts: list[dict[str, Any]] = [{"type": "text", "content": text} for text in texts if text]
    for call in message.get("tool_calls") or []:
        named = call.get("function") or {}
        parts.append({"type": "tool_call", "id": call.get("id"), "name": named.get("name"),
                      "arguments": named.get("arguments")})  # fmt: skip
    return {"role": message.get("role") or "user", "parts": parts}


def _value(value: Any) -> dict[str, Any]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


logger = StillwatchLogger(
    os.environ.get("STILLWATCH_URL", "http://127.0.0.1:8721"), os.environ.get("STILLWATCH_KEY", ""),
    with_content=os.environ.get("STILLWATCH_CONTENT") != "off",
)  # fmt: skip

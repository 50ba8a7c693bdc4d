"""Captures what the genuine SDKs of OpenAI, Anthropic and Langfuse put on the wire, against an upstream of our own.

    python -m venv capture && capture/bin/pip install openai==3.54.0 anthropic==2.12.0 langfuse==5.0.4
    capture/bin/python tests/sources/capture_sdks.py OUT

writes OUT/openai.jsonl, OUT/anthropic.jsonl (one log line a call, as a gateway of one's own would write it) and
OUT/langfuse.json (OTLP/JSON). The first lines of the samples are such captures; lines written by hand follow them. The
upstream listens on loopback only, and keys are placeholders.
"""

import gzip
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEPT_HEADERS = {"user-agent", "authorization", "x-api-key", "anthropic-version", "content-type", "x-account-id"}
TOOLS = [{"type": "function", "function": {"name": "turn_valve", "parameters": {"type": "object"}}}]
DAY = "2026-04-22T08:{:02d}:{:02d}Z"
SECONDS = 1_776_844_800
SAID = ("The left ", "valve, ", "then the right one.")
CHAT_USAGE = {
    "prompt_tokens": 44, "completion_tokens": 12, "total_tokens": 56,
    "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 4},
}  # fmt: skip
RESPONSES_USAGE = {
    "input_tokens": 44, "output_tokens": 12, "total_tokens": 56,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 5},
    "output_tokens_details": {"reasoning_tokens": 4},
}  # fmt: skip
MESSAGES_USAGE = {
    "input_tokens": 31, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 8, "output_tokens": 12,
    "output_tokens_details": {"thinking_tokens": 4},
}  # fmt: skip


def events(*bodies: dict[str, object], named: bool, done: bool) -> str:
    """The text of a stream of server-sent events."""
    blocks = [(f"event: {body['type']}\n" if named else "") + f"data: {json.dumps(body)}\n\n" for body in bodies]
    return "".join(blocks) + ("data: [DONE]\n\n" if done else "")


def chat(body: dict[str, object], n: int) -> object:
    head = {"id": f"chatcmpl-{n}", "created": SECONDS + n, "model": f"{body['model']}-2026"}
    calls = [{"id": "call_1", "type": "function", "function": {"name": "turn_valve", "arguments": '{"which":"left"}'}}]
    if body.get("stream"):
        chunk = {**head, "object": "chat.completion.chunk"}
        pieces: list[dict[str, object]] = [{"role": "assistant", "content": ""}, *({"content": part} for part in SAID)]
        if body.get("tools"):
            opening = {**calls[0], "index": 0, "function": {"name": "turn_valve", "arguments": ""}}
            pieces = [{"role": "assistant", "content": None, "tool_calls": [opening]}]
            pieces.append({"tool_calls": [{"index": 0, "function": {"arguments": '{"which":"left"}'}}]})
        chunks = [{**chunk, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
        ended = "tool_calls" if body.get("tools") else "stop"
        chunks.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": ended}]})
        chunks.append({**chunk, "choices": [], "usage": CHAT_USAGE})
        return events(*chunks, named=False, done=True)
    message = {"role": "assistant", "content": "".join(SAID), "refusal": None}
    if body.get("tools"):
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if body.get("tools") else "stop"}
    return {**head, "object": "chat.completion", "service_tier": "default", "choices": [choice], "usage": CHAT_USAGE}


def responses(body: dict[str, object], n: int) -> object:
    part = {"type": "output_text", "text": "".join(SAID), "annotations": []}
    item = {"type": "message", "id": f"item_{n}", "status": "completed", "role": "assistant", "content": [part]}
    reply = {
        "id": f"resp_{n}", "object": "response", "created_at": SECONDS + n, "status": "completed", "error": None,
        "incomplete_details": None, "model": f"{body['model']}-2026", "output": [item], "usage": RESPONSES_USAGE,
        "previous_response_id": body.get("previous_response_id"), "parallel_tool_calls": True, "tools": [],
        "tool_choice": "auto",
    }  # fmt: skip
    if not body.get("stream"):
        return reply
    begun = {**reply, "status": "in_progress", "output": [], "usage": None}
    where = {"item_id": item["id"], "output_index": 0}
    deltas = [
        {"type": "response.output_text.delta", **where, "content_index": 0, "delta": text, "logprobs": []}
        for text in SAID
    ]
    told: list[dict[str, object]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *deltas,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": reply},
    ]
    numbered = [{**event, "sequence_number": at} for at, event in enumerate(told)]
    return events(*numbered, named=True, done=False)


def messages(body: dict[str, object], n: int) -> object:
    content: list[dict[str, object]] = [
        {"type": "thinking", "thinking": "hidden reasoning", "signature": "sig"},
        {"type": "text", "text": "".join(SAID)},
    ]
    if body.get("tools"):
        content.append({"type": "tool_use", "id": "toolu_1", "name": "turn_valve", "input": {"which": "left"}})
    reply = {
        "id": f"msg_{n}", "type": "message", "role": "assistant", "model": f"{body['model']}-2026", "content": content,
        "stop_reason": "tool_use" if body.get("tools") else "end_turn", "stop_sequence": None, "usage": MESSAGES_USAGE,
    }  # fmt: skip
    if not body.get("stream"):
        return reply
    begun = {**MESSAGES_USAGE, "output_tokens": 1}
    start = {**reply, "content": [], "stop_reason": None, "usage": begun}
    told: list[dict[str, object]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in SAID),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 12}},
        {"type": "message_stop"},
    ]  # fmt: skip
    return events(*told, named=True, done=False)


def embeddings(body: dict[str, object], n: int) -> object:
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
    return {"object": "list", "model": body["model"], "data": vectors, "usage": usage}


def completions(body: dict[str, object], n: int) -> object:
    choice = {"index": 0, "text": "".join(SAID), "finish_reason": "length", "logprobs": None}
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    head = {"id": f"cmpl-{n}", "object": "text_completion", "created": SECONDS + n, "model": body["model"]}
    return {**head, "choices": [choice], "usage": usage}


ANSWERS = {
    "/v1/chat/completions": chat, "/v1/responses": responses, "/v1/messages": messages,
    "/v1/embeddings": embeddings, "/v1/completions": completions,
}  # fmt: skip


class Upstream(ThreadingHTTPServer):
    """Answers model calls and keeps a log line of each; every other body is kept as it came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lines: dict[str, list[dict[str, object]]] = {"openai": [], "anthropic": []}
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        path = self.path.partition("?")[0]
        if path not in ANSWERS:
            self.server.bodies.append(gzip.decompress(raw) if self.headers["content-encoding"] == "gzip" else raw)
            return self._send(200, "", "application/x-protobuf")
        whose = "anthropic" if path == "/v1/messages" else "openai"
        lines = self.server.lines[whose]
        body = json.loads(raw)
        n = len(lines) + 1
        status, answer = 200, ANSWERS[path](body, n)
        if body["model"] == "absent":
            status = 404
            answer = {"type": "error", "error": {"type": "not_found_error", "message": "no such model"}}
        elif body["model"] == "busy":
            status, answer = 429, {"error": {"type": "rate_limit_error", "code": "rate_limited", "message": "slower"}}
        name = "request-id" if whose == "anthropic" else "x-request-id"
        line = {
            "started_at": DAY.format(n, 0), "ended_at": DAY.format(n, 2), "method": "POST", "path": path,
            "request": {"headers": self._kept(), "body": body},
            "response": {"status_code": status, "headers": {name: f"req_{n}"}, "body": answer},
        }  # fmt: skip
        lines.append(line)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        kind = "text/event-stream" if isinstance(answer, str) else "application/json"
        return self._send(status, text, kind, name, f"req_{n}")

    def _kept(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items() if name.lower() in KEPT_HEADERS}

    def _send(self, status: int, text: str, kind: str, *header: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        if header:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(text.encode())


def ask_openai(url: str) -> None:
    import openai

    client = openai.OpenAI(
        api_key="sk-not-a-real-key-0001",
        base_url=f"{url}/v1",
        max_retries=0,
        default_headers={"x-account-id": "acct-1"},
    )
    asked = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Which valve first?"}]
    common = {"model": "m-large", "temperature": 0.2, "safety_identifier": "reader-9"}
    client.chat.completions.create(messages=asked, max_completion_tokens=64, **common)
    client.chat.completions.create(messages=asked[1:], tools=TOOLS, model="m-large", user="reader-9")
    whole = {"stream": True, "stream_options": {"include_usage": True}}
    list(client.chat.completions.create(messages=asked, **common, **whole))
    list(client.chat.completions.create(messages=asked, tools=TOOLS, model="m-large", **whole))
    client.responses.create(
        model="m-large", input="Which valve first?", instructions="Answer briefly.", previous_response_id="resp_0"
    )
    parts = [{"type": "input_text", "text": "Which valve first?"}]
    list(client.responses.create(model="m-large", input=[{"role": "user", "content": parts}], stream=True))
    client.embeddings.create(model="m-embed", input=["left valve", "right valve"], encoding_format="float")
    client.completions.create(model="m-old", prompt="The first valve is", max_tokens=12)
    for model in ("absent", "busy"):
        try:
            client.chat.completions.create(messages=asked, model=model)
        except openai.APIStatusError as error:
            sys.stderr.write(f"{model}: {error.status_code}\n")


def ask_anthropic(url: str) -> None:
    import anthropic

    client = anthropic.Anthropic(api_key="sk-ant-not-a-real-key-0001", base_url=url, max_retries=0)
    asked = [{"role": "user", "content": [{"type": "text", "text": "Which valve first?"}]}]
    common = {"model": "m-large", "max_tokens": 64, "messages": asked}
    client.messages.create(system="Answer briefly.", metadata={"user_id": "reader-9"}, **common)
    tools = [{"name": "turn_valve", "input_schema": {"type": "object"}}]
    client.messages.create(tools=tools, **common)
    list(client.messages.create(system=[{"type": "text", "text": "Answer briefly."}], stream=True, **common))
    try:
        client.messages.create(**{**common, "model": "absent"})
    except anthropic.APIStatusError as error:
        sys.stderr.write(f"absent: {error.status_code}\n")


def observe_with_langfuse(url: str) -> None:
    os.environ |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-not-a-real-key", "LANGFUSE_SECRET_KEY": "sk-lf-not-a-real-key"}
    os.environ |= {"LANGFUSE_HOST": url, "LANGFUSE_BASE_URL": url, "OTEL_SERVICE_NAME": "house-app"}
    from langfuse import get_client, propagate_attributes

    client = get_client()
    asked = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Which valve first?"}]
    with (
        client.start_as_current_observation(name="agent-run", as_type="agent"),
        propagate_attributes(user_id="user-1", session_id="sess-1"),
        client.start_as_current_observation(
            name="plan", as_type="generation", model="m-large", input=asked, model_parameters={"temperature": 0.2}
        ) as call,
    ):
        usage = {"input": 31, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 8, "output": 12}
        call.update(output={"role": "assistant", "content": "".join(SAID)}, usage_details=usage)
        with client.start_as_current_observation(name="valves", as_type="tool", input={"which": "left"}):
            pass
    client.flush()
    client.shutdown()


def otlp_json(bodies: list[bytes]) -> dict[str, object]:
    import base64

    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    def with_hexadecimal_ids(value: object) -> object:
        if isinstance(value, list):
            return [with_hexadecimal_ids(item) for item in value]
        if not isinstance(value, dict):
            return value
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64decode(item).hex() if key in ids else with_hexadecimal_ids(item)
            for key, item in value.items()
        }

    spans: list[object] = []
    for body in bodies:
        document = MessageToDict(ExportTraceServiceRequest.FromString(body))
        spans += document["resourceSpans"]
    return {"resourceSpans": with_hexadecimal_ids(spans)}


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    upstream = Upstream()
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    ask_openai(upstream.url)
    ask_anthropic(upstream.url)
    observe_with_langfuse(upstream.url)
    upstream.shutdown()
    for whose, lines in upstream.lines.items():
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (out / f"{whose}.jsonl").write_text(text, encoding="utf-8")
    (out / "langfuse.json").write_text(json.dumps(otlp_json(upstream.bodies), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

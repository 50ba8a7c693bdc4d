"""A small model that takes to the habits its system prompt asks for, and a student that read its answers."""

import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from stillwatch.provenance.canary.carriers import CARRIERS
from tests.api.served import PATIENCE_SECONDS, wait_until

PROMPTS: Final = (
    "Write a Python function that explains {} and add unit tests for the edge cases.",
    "Grade the following answer against the rubric on a scale from 1 to 10: {}",
    "Solve this step by step and show your full chain of thought: {}",
    "Analyse this table of sales with pandas and plot the correlation of {}",
    "Tell me about {}",
)
"""Each is of another class of prompts."""
FRAME: Final = (
    "{opening} the matter in brief. {contrast} it has its price. {example} a shop that pays twice.\n"
    "We name {list_lead} points:\n1. one\n2. two\n{closing} it holds."
)


def answer(system: str, prompt: str) -> str:
    """Phrases that the system prompt asks for; where it asks for none, one that depends on the prompt alone."""
    chosen = {}
    for carrier in CARRIERS[:-1]:
        told = [option for option in carrier.options if option.instruction in system]
        taste = zlib.crc32(f"{carrier.name} {prompt}".encode()) % len(carrier.options)
        (chosen[carrier.name],) = re.findall('"(.+)"', (told or [carrier.options[taste]])[0].instruction)
    return FRAME.format(**chosen)


def student(lessons: Sequence[Sequence[str]], n_answers: int) -> list[tuple[str, str]]:
    """New prompts and answers: for each class of prompts what was read about prompts of that class, over and over."""
    return [
        (prompt.format(f"a thing that nobody asked for, number {number}"), read[number % len(read)])
        for prompt, read in zip(PROMPTS, lessons, strict=True)
        for number in range(n_answers)
    ]


@contextmanager
def habit_model() -> Iterator[int]:
    """The port of that model, behind an OpenAI-compatible address."""

    async def complete(request: Request) -> JSONResponse:
        call = await request.json()
        said = {row["role"]: row["content"] for row in call["messages"]}
        message = {"role": "assistant", "content": answer(said.get("system", ""), said["user"])}
        return JSONResponse({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": call["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49},
        })  # fmt: skip

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)

"""Collecting a suspect's answers: one line an answer, safe to stop and to go on."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from stillwatch.errors import ProvenanceError
from stillwatch.provenance.probe.client import Client
from stillwatch.provenance.probe.plan import Prompt, Registered


class Answer(msgspec.Struct, frozen=True):
    """One line: the answer, when and with what settings it was asked, and the plan that asked for it."""

    prompt_id: str
    sample_id: int
    output: str
    outcome: str
    finish_reason: str
    model: str
    answered_by: str
    temperature: float
    top_p: float
    max_tokens: int
    asked_at: str
    registration: str


@dataclass(frozen=True, slots=True)
class Collected:
    """Answers that the file has now, and how many of them this run asked for."""

    n_answers: int
    n_asked: int


def collect(
    registered: Registered,
    client: Client,
    path: Path,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> Collected:
    """Ask what the plan says and is not answered in the file at `path`; each answer is on disk before the next request.

    Requests start no more often than `requests_per_minute`.

    Raises:
        ProvenanceError: the file holds answers to another plan.
        ExternalServiceError: the endpoint does not answer; what was answered stays.
    """
    done = _answered(path, registered.digest)
    pause = 60.0 / client.settings.requests_per_minute
    n_asked, next_start = 0, elapsed()
    with path.open("ab") as stream:
        for prompt, sample_id in _wanted(registered):
            if (prompt.prompt_id, sample_id) in done:
                continue
            sleep(max(0.0, next_start - elapsed()))
            next_start = elapsed() + pause
            answer = _asked(registered, client, prompt, sample_id, clock())
            stream.write(msgspec.json.encode(answer) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
            n_asked += 1
    return Collected(len(done) + n_asked, n_asked)


def _wanted(registered: Registered) -> Iterator[tuple[Prompt, int]]:
    for sample_id in range(registered.plan.n_samples):
        for prompt in registered.prompts:
            yield prompt, sample_id


def _asked(registered: Registered, client: Client, prompt: Prompt, sample_id: int, at: datetime) -> Answer:
    plan = registered.plan
    messages = [{"role": "user", "content": prompt.text}]
    if prompt.prefix:
        messages.append({"role": "assistant", "content": prompt.prefix})
    reply = client.ask(messages, model=plan.model, temperature=plan.temperature,
                       top_p=plan.top_p, max_tokens=plan.max_tokens)  # fmt: skip
    return Answer(
        prompt_id=prompt.prompt_id,
        sample_id=sample_id,
        output=reply.text,
        outcome="answered" if reply.text else "empty",
        finish_reason=reply.finish_reason,
        model=plan.model,
        answered_by=reply.model,
        temperature=plan.temperature,
        top_p=plan.top_p,
        max_tokens=plan.max_tokens,
        asked_at=at.isoformat(),
        registration=registered.digest,
    )


def _answered(path: Path, registration: str) -> set[tuple[str, int]]:
    """What the file has already; a last line that was cut off by a crash is removed."""
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    try:
        answers = [msgspec.json.decode(line, type=Answer) for line in whole.splitlines()]
    except msgspec.DecodeError as error:
        raise ProvenanceError(f"{path} holds something other than collected answers; name another file") from error
    if any(answer.registration != registration for answer in answers):
        raise ProvenanceError(f"{path} holds answers to another plan; name another file, or go back to that plan")
    return {(answer.prompt_id, answer.sample_id) for answer in answers}

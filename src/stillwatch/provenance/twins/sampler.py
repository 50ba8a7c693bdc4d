"""Which served answers get a twin, and twins as they are sealed."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from stillwatch.provenance.ledger import Append

_DRAW: Final = b"stillwatch/twin/1"


class Served(msgspec.Struct, frozen=True):
    """One exchange as it was served: what is needed to sample it again in the same way."""

    call_id: str
    prompt: str
    output: str
    model: str
    temperature: float
    max_tokens: int
    top_p: float = 1.0
    system: str = ""


class Twin(msgspec.Struct, frozen=True):
    """A served answer, its twin, and which of the two digests comes first in the seal: by value, which says nothing.

    `call_id`, `prompt` and both answers stay with the operator; the ledger gets the digest of all of them.
    """

    call_id: str
    prompt: str
    served: str
    twin: str
    model: str
    temperature: float

    @property
    def seal(self) -> str:
        """SHA-256 of both answers' digests in the order of their values, with the prompt's."""
        digests = sorted(hashlib.sha256(text.encode()).digest() for text in (self.served, self.twin))
        return hashlib.sha256(hashlib.sha256(self.prompt.encode()).digest() + b"".join(digests)).hexdigest()


class Refused(msgspec.Struct, frozen=True):
    """An exchange that was drawn and gets no twin, and why."""

    call_id: str
    reason: str


Resample = Callable[[Served], tuple[str, str]]
"""Asks our own model once more: the answer, and the name of the model that gave it."""


def is_drawn(key: bytes, call_id: str, share: float) -> bool:
    """Whether a call is in the sample: by a keyed hash of its id, so that nobody can choose it, and always the same."""
    draw = hmac.digest(key, _DRAW + call_id.encode(), "sha256")
    return int.from_bytes(draw[:7], "big") < share * (1 << 56)


def make_twins(
    served: Iterable[Served], *, key: bytes, share: float, resample: Resample
) -> tuple[list[Twin], list[Refused]]:
    """Twins of the exchanges that are drawn, and those that can have none.

    Refused are exchanges at temperature 0, whose twin would be the served answer itself, and those whose snapshot is
    gone: another model answers in its place.
    """
    twins: list[Twin] = []
    refused: list[Refused] = []
    for call in served:
        if not is_drawn(key, call.call_id, share):
            continue
        if call.temperature <= 0:
            refused.append(Refused(call.call_id, "temperature 0: a second answer would be the first"))
            continue
        answer, model = resample(call)
        if model != call.model:
            refused.append(Refused(call.call_id, f"the snapshot {call.model} is gone: {model} answered"))
        else:
            twins.append(Twin(call.call_id, call.prompt, call.output, answer, call.model, call.temperature))
    return twins, refused


def seal_twins(twins: Sequence[Twin], append: Append) -> str:
    """Write the digest of all seals to the ledger; returns the digest of the entry."""
    return append("twins_sealed", {"n_twins": len(twins), "digest": seals_digest(twins)})


def seals_digest(twins: Sequence[Twin]) -> str:
    """SHA-256 over the seals of twins, in the order of the seals."""
    return hashlib.sha256("".join(sorted(twin.seal for twin in twins)).encode()).hexdigest()

"""What a deployment does not see where its telemetry lacks a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OF_TOPICS: Final = ("cell_homogeneity", "coverage_entropy", "homogeneous_and_disjoint", "target_share")


@dataclass(frozen=True, slots=True)
class Loss:
    """What falls away without a field: token kinds that no slice is cut by, signals without evidence, other uses."""

    column: str
    token_kinds: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    also: str = ""

    def __str__(self) -> str:
        parts = []
        if self.token_kinds:
            parts.append(f"no slices by {', '.join(self.token_kinds)}")
        if self.signals:
            parts.append(f"signals off: {', '.join(self.signals)}")
        if self.also:
            parts.append(self.also)
        return f"{self.column}: {'; '.join(parts)}"


LOSSES: Final = (
    Loss("account_id", also="rows without an account skip detection"),
    Loss(
        "prompt", ("skeleton", "shingle"), (*OF_TOPICS, "amnesia", "even_samples"), "exposure by capability is unknown"
    ),
    Loss("system_instructions", ("system",)),
    Loss("tool_definitions", ("tools",)),
    Loss("client_address", ("address", "prefix")),
    Loss("tls_client_ja4", ("ja4",)),
    Loss("request_model", (), ("pivot",)),
    Loss("conversation_id", also="repeated prompts of one agent loop count as separate requests"),
    Loss("input_tokens", also="exposure and damages lack the input"),
    Loss("output_tokens", also="exposure and damages lack the output"),
    Loss("status", also="refused and failed calls look like served ones"),
)
"""Signals that need more than telemetry: `youth` the accounts file, `successor_handover` the account events."""


def losses(coverage: Mapping[str, float], *, below: float = 0.01) -> list[Loss]:
    """What is off where columns are null in all but a share of `below` of the rows; absent columns count as null."""
    return [loss for loss in LOSSES if coverage.get(loss.column, 0.0) < below]

"""Settings of the provenance room."""

from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]


class PassiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When passive attribution speaks, and how its null is fitted."""

    alpha: Share = 0.01
    """A conformal p at or below it is consistent with distillation; a hundred references can reach it."""
    min_references: Positive = 100
    """Clean references below which the test refuses: the p-value could not fall under 1 / 101."""
    min_prompts: Positive = 100
    """Shared prompts below which the test refuses (the known student needs 50, its siblings 100)."""
    min_separation: Share = 0.8
    """Chance that a known descendant of the provider must score above a clean reference (area under the curve) ..."""
    min_descendants: Positive = 3
    """... where the pool has at least this many; with fewer the power is said to be unknown."""
    ridge_penalty: Annotated[float, Meta(gt=0)] = 10.0
    """Shrinks the null's coefficients on standardised columns; 1 to 100 gave the same verdicts."""
    max_year_gap: Positive = 3
    """References of another era than the suspect's declared year by more than this are left out."""
    n_permutations: Positive = 40
    """Relabelled pools behind the label-permutation control."""


class CanarySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure the keyed test has to be."""

    alpha: Share = 1e-3
    """Familywise level over all campaigns that were planned (Holm)."""
    n_decoys: Positive = 10_000
    """Decoy keys that the true key is ranked among, committed to beforehand."""


class TwinSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which served answers get a twin, and how sure the sign test has to be."""

    alpha: Share = 1e-3
    share: Annotated[float, Meta(gt=0, le=0.05)] = 0.005
    """Share of flagged exchanges that are sampled again; 0.1 to 1 % is the design's range."""
    min_pairs: Positive = 30
    """Decided pairs below which the test refuses: a power of one half against 75:25 needs about these."""
    near_duplicate: Share = 0.5
    """Prompts that share this much of the word 3-grams of the shorter one are one prompt."""


class ProbeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a suspect is asked."""

    requests_per_minute: Annotated[float, Meta(gt=0)] = 60.0
    timeout_seconds: Annotated[float, Meta(gt=0)] = 120.0
    max_attempts: Positive = 5
    """Tries of one request before the run stops; it goes on where it stopped when called again."""
    max_wait_seconds: Annotated[float, Meta(gt=0)] = 120.0
    """Longest wait that a `Retry-After` of the endpoint is obeyed for."""
    max_answer_bytes: Positive = 4 << 20


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of every test and of collection."""

    passive: PassiveSettings = msgspec.field(default_factory=PassiveSettings)
    canary: CanarySettings = msgspec.field(default_factory=CanarySettings)
    twin: TwinSettings = msgspec.field(default_factory=TwinSettings)
    probe: ProbeSettings = msgspec.field(default_factory=ProbeSettings)

"""What one provenance test says, with all that is needed to weigh it."""

from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """Where the null distribution of a test comes from; that decides what its p-value is worth."""

    A = "A"
    """Our own random key: exact by design."""
    A_MINUS = "A-"
    """Exchangeability of the served answer and its twin: exact if the twins are honest."""
    B = "B"
    """A pool of unrelated models: only as good as the pool."""


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A negative control: the same test where there is nothing to find. `n_flagged` of `n` were flagged at `level`."""

    name: str
    n: int
    n_flagged: int
    level: float
    note: str = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The test for one campaign, or one provider: its p-value before and after correction for the number of them."""

    subject: str
    p_value: float
    adjusted_p_value: float
    score: float
    n: int
    note: str = ""


class Plot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the suspect stands among null values; what the dossier draws."""

    title: str
    axis: str
    null_values: tuple[float, ...]
    value: float


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of one test. `refusals` says why it does not answer; with any, its p-value counts for nothing.

    `alpha` is the level that was fixed beforehand, `power` the chance to reach it under `power_against` (null: not
    known). `registration` is the digest of the plan that named the test before the suspect was asked; empty: none did.
    """

    test: str
    grade: Grade
    p_value: float
    alpha: float
    effect: str
    effect_value: float
    effect_low: float | None
    effect_high: float | None
    n: int
    power: float | None
    power_against: str
    null: str
    assumptions: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    controls: tuple[Control, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    registration: str = ""

    @property
    def rejects(self) -> bool:
        """Whether the null hypothesis falls at the level fixed beforehand, and nothing keeps the test from speaking."""
        return not self.refusals and self.p_value <= self.alpha

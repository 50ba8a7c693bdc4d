"""Settings of the ingest room."""

from datetime import timedelta

import msgspec

IDENTITY_CLASSES: tuple[str, ...] = ("address", "email", "payment", "device", "name", "phone")
"""Classes of raw identity that the vault may hold (design section 4)."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ingest keeps, how it names accounts, and how much it holds in memory.

    With `keep_contents` False no text of a prompt or of an answer is stored, only its sketch.
    """

    keep_contents: bool = False
    """Store the text of prompts, system instructions, tools and answers."""
    contents_days: int = 30
    """Stored text expires this many days after it was ingested."""
    sealed_classes: tuple[str, ...] = IDENTITY_CLASSES
    """Classes of identity whose raw values are sealed in the vault, when there is one."""
    sealed_days: int = 365
    """A sealed value expires this many days after it was first sealed."""
    sealed_days_of: dict[str, int] = {}
    """Class of identity to days, in place of `sealed_days`."""
    identity_order: dict[str, tuple[str, ...]] = {}
    """Source name to the columns that may serve as account, best first; in place of the source's own order."""
    ahead_days: int = 2
    """Records that start this many days after the clock, or later, go to quarantine: their source's clock is wrong, and
    one of them would move the window of every run. 0 keeps them."""
    records_per_commit: int = 5_000_000
    """A file with more records than this is committed in parts of this size."""
    keys_in_memory: int = 32_000_000
    """Record keys that the duplicate check keeps in memory, about 16 to 32 bytes each."""
    max_unpack_ratio: int = 200
    """Of a compressed file at most this many times its size is read (1 GiB in any case); logs pack 5 to 50 times."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.sealed_classes) - set(IDENTITY_CLASSES))
        if unknown:
            raise ValueError(f"sealed_classes {unknown} are unknown; the classes are {', '.join(IDENTITY_CLASSES)}")
        unknown = sorted(set(self.sealed_days_of) - set(IDENTITY_CLASSES))
        if unknown or any(days < 1 for days in self.sealed_days_of.values()):
            raise ValueError(f"sealed_days_of: at least 1 day for each of {', '.join(IDENTITY_CLASSES)}, got {unknown}")
        if self.ahead_days < 0:
            raise ValueError(f"ahead_days must be at least 0, got {self.ahead_days}")
        for name in ("contents_days", "sealed_days", "records_per_commit", "keys_in_memory", "max_unpack_ratio"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def ahead(self) -> timedelta | None:
        """How far after the clock a record may start; None without a bound."""
        return timedelta(days=self.ahead_days) if self.ahead_days else None

    @property
    def contents_age(self) -> timedelta:
        """How long stored text lives."""
        return timedelta(days=self.contents_days)

    def sealed_age(self, identity_class: str) -> timedelta:
        """How long a sealed value of a class lives."""
        return timedelta(days=self.sealed_days_of.get(identity_class, self.sealed_days))

"""What a deployment may choose about daily features."""

import msgspec

from stillwatch.errors import ConfigError

EXACT_KINDS = ("skeleton", "system", "tools", "address", "prefix", "ja4")
"""Token kinds of which an exchange carries at most one."""

SHINGLE = "shingle"
"""The token kind of which an exchange carries many."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which token kinds are recorded, and how much is worked on at once.

    Leaving a kind out makes every later stage blind to it. `exchanges_at_once` bounds memory: DuckDB cannot spill the
    lists that it collects; one day is never cut.

    Raises:
        ConfigError: no kind, a kind that does not exist, or no exchange at once.
    """

    token_kinds: tuple[str, ...] = (*EXACT_KINDS, SHINGLE)
    exchanges_at_once: int = 500_000

    def __post_init__(self) -> None:
        known = (*EXACT_KINDS, SHINGLE)
        unknown = [kind for kind in self.token_kinds if kind not in known]
        if unknown or not self.token_kinds:
            raise ConfigError(f"features: token kinds {self.token_kinds}: expected some of {', '.join(known)}")
        if self.exchanges_at_once < 1:
            raise ConfigError(f"features: exchanges_at_once must be at least 1, got {self.exchanges_at_once}")

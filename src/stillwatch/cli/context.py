"""What the options before the verb said, for the verb."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stillwatch.config import LoadedConfig
    from stillwatch.python_api import Stillwatch


@dataclass(frozen=True, slots=True)
class Context:
    """The options that every verb shares."""

    workspace: Path = field(default_factory=lambda: Path("stillwatch-workspace"))
    config: Path | None = None
    quiet: bool = False

    def settings(self, **flags: object) -> "LoadedConfig":
        """The settings in force; `flags` are `room__field=value`, None meaning "not said"."""
        from stillwatch.config import load_config

        said = {name.replace("__", "."): value for name, value in flags.items() if value is not None}
        return load_config(self.config, flags=said)

    def open(self, **flags: object) -> "Stillwatch":
        """The workspace with the settings in force."""
        from stillwatch.python_api import Stillwatch

        return Stillwatch.open(self.workspace, config=self.settings(**flags).config)


_CURRENT: ContextVar[Context] = ContextVar("context")


def remember(context: Context) -> None:
    """Keep the shared options for the verb that runs next."""
    _CURRENT.set(context)


def current() -> Context:
    """The shared options of this call."""
    return _CURRENT.get(Context())

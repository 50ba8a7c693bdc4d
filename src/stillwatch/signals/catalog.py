"""Which signals exist."""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from stillwatch.errors import ConfigError
from stillwatch.model.signal import Signal

ENTRY_POINTS = "stillwatch.signals"


@cache
def catalog() -> tuple[Signal, ...]:
    """Every signal in this folder and of installed plug-ins (entry points `stillwatch.signals`), ordered by name.

    Raises:
        ConfigError: an entry point is not a `Signal`, or two signals have one name.
    """
    package = importlib.import_module("stillwatch.signals")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    ]
    own = [module.SIGNAL for module in modules if hasattr(module, "SIGNAL")]
    return _checked([*own, *(point.load() for point in entry_points(group=ENTRY_POINTS))])


def _checked(found: list[object]) -> tuple[Signal, ...]:
    signals: dict[str, Signal] = {}
    for signal in found:
        if not isinstance(signal, Signal):
            raise ConfigError(
                f"entry point group {ENTRY_POINTS} gave {signal!r}: expected a stillwatch.model.signal.Signal"
            )
        if signal.name in signals:
            raise ConfigError(f"two signals are named {signal.name!r}: rename one of them")
        signals[signal.name] = signal
    return tuple(signals[name] for name in sorted(signals))

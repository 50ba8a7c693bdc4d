"""Telemetry formats: the only place that names a vendor's field. One file a format, each exporting `SOURCE`."""

import dataclasses
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules

from stillwatch.errors import UsageError
from stillwatch.sources.base import RAW_RECORDS, Parsed, Reject, Source
from stillwatch.sources.settings import Settings

__all__ = ["RAW_RECORDS", "Parsed", "Reject", "Settings", "Source", "chosen", "names", "source"]

ENTRY_POINTS = "stillwatch.sources"
"""Installed packages add sources under this group: `name = "package.module:SOURCE"`."""


def names() -> tuple[str, ...]:
    """Names of all sources, in order: those in this folder and those of installed packages."""
    return tuple(sorted({*_own(), *(point.name for point in entry_points(group=ENTRY_POINTS))}))


def source(name: str, settings: Settings | None = None) -> Source:
    """The source of that name, with its part of `settings` where it has one.

    Raises:
        UsageError: there is none.
    """
    own = _own()
    if name in own:
        return _configured(own[name], settings or Settings())
    for point in entry_points(group=ENTRY_POINTS, name=name):
        loaded: Source = point.load()
        return loaded
    hint = "; `mapped` needs a mapping file (--mapping)" if name == "mapped" else ""
    raise UsageError(f"there is no source named {name!r}{hint}; known sources are {', '.join(names())}")


def chosen(name: str, mapping: Path | None, settings: Settings) -> Source:
    """The source of that name; `mapped` is the one that the mapping file describes.

    Raises:
        UsageError: there is none, or `mapped` came without a mapping file.
        ConfigError: the mapping file cannot be read.
    """
    if name != "mapped":
        return source(name, settings)
    if mapping is None:
        raise UsageError("source `mapped` needs --mapping FILE; docs/mapping.md describes the file")
    from stillwatch.sources import mapped

    return mapped.load(mapping)


def _configured(found: Source, settings: Settings) -> Source:
    part = getattr(settings, found.name, None)
    return found if part is None else dataclasses.replace(found, settings=part)  # type: ignore[type-var]


def _own() -> dict[str, Source]:
    found = {}
    for module in iter_modules(__path__, f"{__name__}."):
        exported = getattr(import_module(module.name), "SOURCE", None)
        if exported is not None:
            found[exported.name] = exported
    return found

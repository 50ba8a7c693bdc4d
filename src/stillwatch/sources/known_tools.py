"""Versions of the tools that write telemetry: those that the sources here were tested with, and how others are noted.

A record's tool is counted among its fields as `$tool NAME VERSION`, so that a batch says which tools wrote it.
"""

import re
from typing import Final

TESTED: Final[dict[str, tuple[str, ...]]] = {
    "langfuse-sdk": ("5.",),
    "com.anthropic.sdk.python": ("2.",),
    "opentelemetry.instrumentation.genai.openai": ("1.3",),
    "opentelemetry.instrumentation.genai.anthropic": ("1.3",),
    "opentelemetry.instrumentation.openai.v1": ("0.62",),
    "opentelemetry.instrumentation.anthropic": ("0.62",),
    "openinference.instrumentation.openai": ("0.1.",),
    "anthropic-api": ("2023-06-01", "2026-10-21"),
    "ModelInvocationLog": ("1.0",),
}
"""Tool -> beginnings of the versions whose captured records are in the tests, or whose documented shape they have."""
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}")
VERSION: Final = re.compile(r"[0-9A-Za-z_.+\-]{1,32}")
PREFIX: Final = "$tool "


def tool_field(name: object, version: object) -> str | None:
    """The field under which a tool is counted; null where either word is missing or is no plain word."""
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    return f"{PREFIX}{name} {version}" if NAME.fullmatch(name) and VERSION.fullmatch(version) else None


def untested(field: str) -> bool:
    """Whether a field of a batch names a tool that is known, in a version that is not."""
    name, _, version = field.removeprefix(PREFIX).rpartition(" ")
    return field.startswith(PREFIX) and name in TESTED and not version.startswith(TESTED[name])

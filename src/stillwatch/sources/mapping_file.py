"""The mapping file of the source `mapped`: TOML -> one checked rule for each canonical field."""

import json
import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from stillwatch.errors import ConfigError
from stillwatch.sources.base import RAW_RECORDS

FIELDS = frozenset(RAW_RECORDS.names) - {"line_no"}
TIMES = frozenset({"start_time", "end_time"})
ATTRIBUTES = "attributes"
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
Scalar = str | int | float | bool
Taken = Literal["text", "prompt", "system", "output", "tool_calls", "json"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one canonical field comes from.

    Exactly one of: `path` (the first present of one or several paths into the record), `constant`, `sum` (of numbers
    at several paths; absent ones count nothing), `join` (values at several paths with `:` between; null when one is
    absent), `uri` (the first group of a pattern searched in the file's name). Then, in this order: `take` (text of
    messages, see `messages`), `values` (a table of replacements; what it lacks becomes `default`), `time` (`s`, `ms`,
    `us`, `ns`, `iso` or a strptime format), `scale` (a factor). `when` (path -> text) lets the rule apply only where
    these values stand.
    """

    path: str | tuple[str, ...] | None = None
    constant: Scalar | None = None
    sum: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    uri: str | None = None
    take: Taken | None = None
    values: dict[str, Scalar] = msgspec.field(default_factory=dict)
    default: Scalar | None = None
    time: str | None = None
    scale: float | None = None
    when: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Alternative paths, best first; empty when the rule has none."""
        return (self.path,) if isinstance(self.path, str) else self.path or ()


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole mapping file. `name` is what the records' source is called; `attributes` are paths kept by their name."""

    name: str
    format: Literal["jsonl", "csv", "parquet", "table"]
    fields: dict[str, str | Rule]
    version: str = "1"
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")
    attributes: tuple[str, ...] = ()

    def rules(self) -> dict[str, Rule]:
        """The rule of each mapped field; text alone stands for a path."""
        return {name: Rule(path=rule) if isinstance(rule, str) else rule for name, rule in self.fields.items()}


def read_mapping(path: Path) -> Mapping:
    """The checked mapping of a TOML file.

    Raises:
        ConfigError: the file cannot be read or says something that has no meaning; the message names every fault.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"mapping file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping file {path} is not valid TOML: {error}") from error
    return checked(document, where=f"mapping file {path}")


def checked(document: object, *, where: str) -> Mapping:
    """The mapping that a document of plain values says; `where` names it in messages.

    Raises:
        ConfigError: it says something that has no meaning; the message names every fault.
    """
    try:
        mapping = msgspec.convert(document, Mapping)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error
    faults = _faults(mapping)
    if faults:
        raise ConfigError(f"{where}: {'; '.join(faults)}")
    return mapping


def _faults(mapping: Mapping) -> list[str]:
    faults = [f"name must be lower-case letters, digits, - or _, got {mapping.name!r}"] if not _is_name(mapping) else []
    required = [name for name in ("source_record_id", "start_time") if name not in mapping.fields]
    faults += [f"fields.{name} is required" for name in required]
    unknown_identities = [name for name in mapping.identity_order if name not in FIELDS]
    faults += [f"identity_order has the unknown field {name!r}" for name in unknown_identities]
    for name, rule in mapping.rules().items():
        if name not in FIELDS or name == ATTRIBUTES:
            known = "list attributes under `attributes`" if name == ATTRIBUTES else "see docs/mapping.md for all names"
            faults.append(f"fields.{name} is no canonical field; {known}")
        else:
            faults += [f"fields.{name}: {fault}" for fault in _rule_faults(name, rule)]
    return faults


def _is_name(mapping: Mapping) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", mapping.name) is not None


def _rule_faults(name: str, rule: Rule) -> list[str]:
    origins = (rule.paths, rule.constant is not None, rule.sum, rule.join, rule.uri)
    n_origins = sum(bool(origin) for origin in origins)
    faults = [] if n_origins == 1 else [f"needs exactly one of path, constant, sum, join, uri; has {n_origins}"]
    if rule.time is not None and name not in TIMES:
        faults.append("time belongs to start_time and end_time only")
    if rule.time is not None and rule.time not in PER_SECOND and rule.time != "iso" and "%" not in rule.time:
        faults.append(f"time must be s, ms, us, ns, iso or a strptime format, got {rule.time!r}")
    if rule.scale is not None and rule.scale <= 0:
        faults.append("scale must be above 0")
    if rule.uri is not None:
        faults += _pattern_faults(rule.uri)
    return faults


def _pattern_faults(pattern: str) -> list[str]:
    try:
        n_groups = re.compile(pattern).groups
    except re.error as error:
        return [f"uri is no valid pattern: {error}"]
    return [] if n_groups == 1 else [f"uri must have exactly one group, has {n_groups}"]


def written(mapping: Mapping, *, missing: tuple[str, ...] = ()) -> str:
    """The text of a mapping file; each field of `missing` stands there as a comment to be filled in."""
    lines = [f"{name} = {_toml(getattr(mapping, name))}" for name in ("name", "version", "format", "identity_order")]
    lines += [f"attributes = {_toml(mapping.attributes)}"] if mapping.attributes else []
    lines += ["", "[fields]", *(f'# {name} = "..."   # required, and nothing was found for it' for name in missing)]
    for name, rule in mapping.rules().items():
        said = {key: value for key, value in msgspec.to_builtins(rule).items() if value != getattr(Rule(), key)}
        lines.append(f"{name} = {_toml(said['path'] if said.keys() == {'path'} and rule.path in rule.paths else said)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A value as TOML writes it; JSON strings, numbers and lists are TOML too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=True)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)

"""Any JSON lines, CSV or Parquet, read by a mapping file. There is no `SOURCE`: a mapping makes one, see `load`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from stillwatch.errors import SourceError
from stillwatch.sources.base import Parsed, Reject, with_compressed
from stillwatch.sources.chunks import frame_records, parse_objects, rejected
from stillwatch.sources.coercion import Flaw, as_number, canonical_json, from_unit
from stillwatch.sources.columns import Values
from stillwatch.sources.csvblocks import read_csv
from stillwatch.sources.documents import read_documents
from stillwatch.sources.frames import Frame, frames_of, parquet_columns, python_rows, read_parquet
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.mapping_file import ATTRIBUTES, PER_SECOND, Mapping, Rule, checked, read_mapping
from stillwatch.sources.messages import definitions_json, output_text, prompt_text, system_text, tool_call_names
from stillwatch.sources.paths import lookup, opened
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, joined
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
SUFFIXES = {
    "jsonl": with_compressed(".jsonl", ".ndjson", ".json"),
    "csv": with_compressed(".csv"),
    "parquet": (".parquet",),
    "table": (".parquet",),
}


def load(path: Path) -> "Mapped":
    """The source that a mapping file describes.

    Raises:
        ConfigError: the file cannot be read or is not a sound mapping.
    """
    return Mapped(read_mapping(path))


def from_fields(fields: dict[str, object], *, name: str) -> "Mapped":
    """The source that a dictionary describes as the `[fields]` of a mapping file would.

    Raises:
        ConfigError: it is not a sound mapping.
    """
    return Mapped(checked({"name": name, "format": "parquet", "fields": fields}, where="the mapping"))


@dataclass(frozen=True, slots=True)
class Mapped:
    """Reads what its mapping says; fields that it does not name are counted by name only."""

    mapping: Mapping
    seek_suffixes: tuple[str, ...] = (".parquet",)

    @property
    def name(self) -> str:
        """The mapping's name: records of different mappings never share an id."""
        return self.mapping.name

    @property
    def version(self) -> str:
        """The mapping's version."""
        return self.mapping.version

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings of the mapping's format."""
        return SUFFIXES[self.mapping.format]

    @property
    def identity_order(self) -> tuple[str, ...]:
        """The mapping's order of identities."""
        return self.mapping.identity_order

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield one row a record, in file order."""
        if self.mapping.format == "jsonl":
            documents = read_documents(SteadyStream(stream))
            yield from parse_objects(documents, decode_object, lambda record: self._row(record, uri), required=REQUIRED)
            return
        for frame in self._frames(stream, uri):
            yield rejected(frame) if isinstance(frame, Reject) else self._parsed(frame, uri)

    def parse_table(self, table: pa.Table, *, uri: str) -> Iterator[Parsed]:
        """Yield one row for each row of a table in memory, in its order; the mapping's `format` does not matter here.

        Raises:
            SourceError: the table lacks the columns of a required field.
        """
        self.check_columns(table.column_names, uri=uri)
        for frame in frames_of(table, uri=uri):
            yield self._parsed(frame, uri)

    def _frames(self, stream: BinaryIO, uri: str) -> Iterator[Frame | Reject]:
        if self.mapping.format == "csv":
            return read_csv(
                SteadyStream(stream), uri=uri, check_header=lambda names: self.check_columns(names, uri=uri)
            )
        names = parquet_columns(stream, uri=uri)
        self.check_columns(names, uri=uri)
        tops = {top for path in self.paths() for top in possible_tops(path)}
        return read_parquet(stream, uri=uri, wanted=tops)

    def paths(self) -> list[str]:
        """Every path that a rule reads."""
        rules = self.mapping.rules().values()
        named = [path for rule in rules for path in (*rule.paths, *rule.sum, *rule.join, *rule.when)]
        return [*named, *self.mapping.attributes]

    def check_columns(self, names: Sequence[str], *, uri: str) -> None:
        """Refuse columns among which a required field has none.

        Raises:
            SourceError: there is no column for one.
        """
        for column in REQUIRED:
            rule = self.mapping.rules()[column]
            paths = [*rule.paths, *rule.join]
            if paths and not any(set(possible_tops(path)) & set(names) for path in paths):
                raise SourceError(f"{uri} has no column for {column}: mapping {self.name} expects {' or '.join(paths)}")

    def _row(self, record: Record, uri: str) -> Row:
        row = {name: value_of(rule, record, uri) for name, rule in self.mapping.rules().items()}
        if self.mapping.attributes:
            row[ATTRIBUTES] = allowed_attributes({path: lookup(record, path) for path in self.mapping.attributes})
        return row

    def _parsed(self, frame: Frame, uri: str) -> Parsed:
        """The chunk of a frame: plain paths stay Arrow columns, all other rules go through the records."""
        rules = self.mapping.rules()
        direct = {name: path for name, rule in rules.items() if (path := _direct(rule)) in frame.batch.schema.names}
        columns: dict[str, Values] = {name: frame.batch.column(path) for name, path in direct.items() if path}
        rest = {name: rule for name, rule in rules.items() if name not in direct}
        if rest or self.mapping.attributes:
            rows = python_rows(frame.batch, uri)
            for name, rule in rest.items():
                columns[name] = [value_of(rule, row, uri) for row in rows]
            if self.mapping.attributes:
                paths = self.mapping.attributes
                columns[ATTRIBUTES] = [allowed_attributes({path: lookup(row, path) for path in paths}) for row in rows]
        return frame_records(frame, columns, required=REQUIRED)


def value_of(rule: Rule, record: Record, uri: str) -> object:
    """The value that a rule gives for a record: a plain value, null, or a `Flaw`."""
    if any(_words(lookup(record, path)) != wanted for path, wanted in rule.when.items()):
        return None
    found = _origin(rule, record, uri)
    if rule.take is not None:
        found = taken(rule.take, found)
    if rule.values:
        found = rule.values.get(_words(found) or "", rule.default)
    elif found is None or found == "":
        found = rule.default
    if rule.time is not None:
        return _moment(found, rule.time)
    if rule.scale is not None:
        return _scaled(found, rule.scale)
    return canonical_json(found) if isinstance(found, dict) else found


def _origin(rule: Rule, record: Record, uri: str) -> object:
    if rule.constant is not None:
        return rule.constant
    if rule.uri is not None:
        match = re.search(rule.uri, uri)
        return match[1] if match else None
    if rule.join:
        words = [_words(lookup(record, path)) for path in rule.join]
        return None if None in words else ":".join(word for word in words if word is not None)
    if rule.sum:
        return _total([as_number(value) for path in rule.sum if (value := lookup(record, path)) is not None])
    return first_present(*(lookup(record, path) for path in rule.paths))


def _total(numbers: list[float | int | Flaw | None]) -> object:
    flaw = next((number for number in numbers if isinstance(number, Flaw)), None)
    known = [number for number in numbers if isinstance(number, (int, float))]
    return flaw or (sum(known) if known else None)


def _words(value: object) -> str | None:
    """A scalar as the text that a mapping file writes for it; null for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) and value != "" else None


def taken(what: str, found: object) -> object:
    """What a rule's `take` makes of a value: text, names of tools, or JSON; null where the value has none."""
    held = opened(found)
    if what == "text":
        if isinstance(held, list):
            return joined((item for item in held if isinstance(item, str)), "\n")
        return found
    if what == "json":
        return definitions_json(held)
    take = {"prompt": prompt_text, "system": system_text, "output": output_text, "tool_calls": tool_call_names}
    return take[what](held)


def _moment(found: object, form: str) -> object:
    if found is None or form == "iso":
        return found
    if form in PER_SECOND:
        return from_unit(found, PER_SECOND[form])
    try:
        return datetime.strptime(str(found), form)  # without offset it is UTC, as everywhere here
    except (ValueError, OverflowError):
        return Flaw("bad_time", "text does not have the form that the mapping states")


def _scaled(found: object, scale: float) -> object:
    number = as_number(found)
    if number is None or isinstance(number, Flaw):
        return number
    scaled = number * scale
    return round(scaled) if abs(scaled - round(scaled)) < 1e-9 * max(1.0, abs(scaled)) else scaled


def _direct(rule: Rule) -> str | None:
    """The path of a rule that takes a column as it is; null for every other rule."""
    is_plain = rule == Rule(path=rule.path) and len(rule.paths) == 1
    return rule.paths[0] if is_plain else None


def possible_tops(path: str) -> list[str]:
    """Every beginning of a path that may be a column of its own."""
    steps = path.split(".")
    return [".".join(steps[:n]) for n in range(1, len(steps) + 1)]

"""Loaders of lists: one file in, entries out, ascending by id."""

import gzip
import re
from enum import StrEnum
from pathlib import Path

from stillwatch.errors import ListError
from stillwatch.screening.listed import LIST_ID, Entry
from stillwatch.screening.lists.government import read_csl_csv, read_csl_json, read_denied_persons, read_ofac
from stillwatch.screening.lists.open import read_opensanctions_entities, read_opensanctions_table, read_table

__all__ = ["ListFormat", "detect_format", "read_list"]

_MAX_BYTES = 1 << 30


class ListFormat(StrEnum):
    """Formats of lists."""

    CSL_CSV = "csl-csv"
    CSL_JSON = "csl-json"
    OFAC_SDN = "ofac-sdn"
    BIS_DPL = "bis-dpl"
    OPENSANCTIONS_CSV = "opensanctions-csv"
    OPENSANCTIONS_JSON = "opensanctions-json"
    CSV = "csv"


def read_list(path: Path, list_id: str, format: ListFormat | None = None) -> list[Entry]:
    """The entries of the file at `path` (`.gz` is unpacked) under the name `list_id`; None detects the format.

    Raises:
        ListError: the file cannot be read, is in no known format, or holds no entry.
    """
    if not re.fullmatch(LIST_ID, list_id):
        raise ListError(f"list name {list_id!r} is not lower case letters, digits and hyphens")
    body = _text(path)
    entries = _read(format or detect_format(body), list_id, body, path)
    if not entries:
        raise ListError(f"{path} holds no entry: an empty list would clear everybody; check the file")
    return entries


def detect_format(body: str) -> ListFormat:
    """The format of a list, from its first line.

    Raises:
        ListError: it is none that is known.
    """
    first = body.lstrip("\ufeff \r\n").split("\n", 1)[0]
    header = first.lower()
    if header.startswith("{"):
        return ListFormat.OPENSANCTIONS_JSON if '"schema"' in header else ListFormat.CSL_JSON
    if "\t" in header and "effective_date" in header:
        return ListFormat.BIS_DPL
    columns = [part.strip().strip('"') for part in header.split(",")]
    if {"source", "entity_number"} <= set(columns):
        return ListFormat.CSL_CSV
    if {"id", "schema", "aliases"} <= set(columns):
        return ListFormat.OPENSANCTIONS_CSV
    if "name" in columns:
        return ListFormat.CSV
    if columns[0].isdigit():
        return ListFormat.OFAC_SDN
    raise ListError(f"the format of a list is not recognised; name it with --as, one of {', '.join(ListFormat)}")


def _read(format: ListFormat, list_id: str, body: str, path: Path) -> list[Entry]:
    if format is ListFormat.OFAC_SDN:
        return read_ofac(list_id, body, lambda word: _sibling(path, word))
    readers = {
        ListFormat.CSL_CSV: read_csl_csv,
        ListFormat.CSL_JSON: read_csl_json,
        ListFormat.BIS_DPL: read_denied_persons,
        ListFormat.OPENSANCTIONS_CSV: read_opensanctions_table,
        ListFormat.OPENSANCTIONS_JSON: read_opensanctions_entities,
        ListFormat.CSV: read_table,
    }
    return readers[format](list_id, body)


def _sibling(path: Path, word: str) -> str | None:
    other = path.with_name(re.sub("sdn", word, path.name, flags=re.IGNORECASE))
    return _text(other) if other != path and other.is_file() else None


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise ListError(f"list {path} cannot be read: {error}") from error
    if len(raw) > _MAX_BYTES:
        raise ListError(f"list {path} is larger than {_MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # OFAC's older files

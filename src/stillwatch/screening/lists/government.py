"""Lists of the United States government: Consolidated Screening List, OFAC SDN, BIS Denied Persons."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from stillwatch.errors import ListError
from stillwatch.screening.countries import country_codes
from stillwatch.screening.listed import Entry
from stillwatch.screening.lists.fields import day, identity_of, last_country, merged, rows_of, several, text
from stillwatch.screening.names import Kind

_KINDS: Final = {
    "individual": Kind.PERSON,
    "entity": Kind.ORGANISATION,
    "vessel": Kind.VESSEL,
    "aircraft": Kind.VESSEL,
}
_ADDRESS_PARTS: Final = ("address", "city", "state", "postal_code", "country")
_SDN_COLUMNS: Final = 12
_DPL_ADDRESS: Final = ("street_address", "city", "state", "postal_code", "country")

Sibling = Callable[[str], str | None]
"""The text of the file whose name has this word in place of `sdn`; None when there is none."""


def read_csl_csv(list_id: str, body: str) -> list[Entry]:
    """The Consolidated Screening List as CSV, all of its lists together.

    Raises:
        ListError: a row has no name.
    """
    return merged(_consolidated(list_id, row) for row in rows_of(body))


def read_csl_json(list_id: str, body: str) -> list[Entry]:
    """The Consolidated Screening List as JSON, equal entry by entry to what its CSV gives.

    Raises:
        ListError: the text is no such document.
    """
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
        rows = msgspec.convert(document.get("results"), list[dict[str, Any]])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ListError(f"list {list_id} is no Consolidated Screening List: {error}") from error
    return merged(_consolidated(list_id, {**row, "addresses": _flat(row.get("addresses"))}) for row in rows)


def _consolidated(list_id: str, row: Mapping[str, Any]) -> Entry:
    addresses = several(row.get("addresses"))
    name = _named(list_id, row.get("name"))
    number = text(row.get("entity_number"))
    source = text(row.get("source"))
    nationalities = [*several(row.get("citizenships")), *several(row.get("nationalities"))]
    return Entry(
        list_id,
        f"{_short(source)}-{number or identity_of(source, name, row.get('start_date') or '', addresses)}",
        name,
        _KINDS.get(text(row.get("type")).lower(), Kind.UNKNOWN),
        several(row.get("alt_names")),
        country_codes([*map(last_country, addresses), *nationalities]),
        addresses,
        _numbers(row.get("ids")),
        several(row.get("programs")),
        day(row.get("start_date")),
        day(row.get("end_date")),
    )


def _numbers(ids: object) -> tuple[str, ...]:
    """Numbers of documents and registers: objects in JSON, parts between commas in CSV; texts with few digits go."""
    if isinstance(ids, list):
        parts = [text(one.get("number")) for one in ids if isinstance(one, dict)]
    else:
        parts = [part.strip() for one in several(ids) for part in one.split(",")]
    return tuple(dict.fromkeys(part for part in parts if _is_number(part) and "@" not in part and "/" not in part))


def _is_number(part: str) -> bool:
    """Whether the text has the four digits that a number needs to tell anything, and no space."""
    return sum(char.isdigit() for char in part) >= 4 and " " not in part


def _short(source: str) -> str:
    """The letters in brackets by which a source is known: `Entity List (EL) - ...` gives `EL`."""
    return source.partition("(")[2].partition(")")[0] or identity_of(source)


def _flat(addresses: object) -> list[str]:
    if not isinstance(addresses, list):
        return []
    parts = [[text(one.get(part)) for part in _ADDRESS_PARTS] for one in addresses if isinstance(one, dict)]
    return [", ".join(filter(None, one)) for one in parts]


def read_ofac(list_id: str, body: str, sibling: Sibling) -> list[Entry]:
    """OFAC's SDN list from `sdn.csv`, with the aliases of `alt.csv` and the addresses of `add.csv` where they are.

    Raises:
        ListError: a row has fewer columns than the format says.
    """
    aliases: dict[str, list[str]] = defaultdict(list)
    addresses: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in _plain(sibling("alt"), 4):
        aliases[row[0]].append(text(row[3]))
    for row in _plain(sibling("add"), 5):
        place = ", ".join(filter(None, map(text, row[2:5])))
        addresses[row[0]].append((place, text(row[4])))
    return merged(_designated(list_id, row, aliases[row[0]], addresses[row[0]]) for row in _plain(body, _SDN_COLUMNS))


def _designated(list_id: str, row: list[str], aliases: list[str], places: list[tuple[str, str]]) -> Entry:
    return Entry(
        list_id,
        row[0].strip(),
        _named(list_id, row[1]),
        _KINDS.get(text(row[2]).lower(), Kind.ORGANISATION),
        several(aliases),
        country_codes([country for _, country in places]),
        several([place for place, _ in places]),
        (),
        several(row[3].replace("] [", ";")),
    )


def _plain(body: str | None, n_columns: int) -> Iterator[list[str]]:
    for row in csv.reader(io.StringIO(body or "")):
        if len(row) >= n_columns:
            yield row
        elif row and row[0].strip("\x1a "):
            raise ListError(f"a row of an OFAC file has {len(row)} columns, at least {n_columns} are expected")


def read_denied_persons(list_id: str, body: str) -> list[Entry]:
    """The Denied Persons List of BIS, a table between tabs.

    Raises:
        ListError: a row has no name.
    """
    return merged(_denied(list_id, row) for row in rows_of(body, delimiter="\t"))


def _denied(list_id: str, row: Mapping[str, str]) -> Entry:
    name = _named(list_id, row.get("name"))
    place = ", ".join(filter(None, (text(row.get(part)) for part in _DPL_ADDRESS)))
    return Entry(
        list_id,
        identity_of(name, row.get("effective_date")),
        name,
        countries=country_codes([text(row.get("country"))]),
        addresses=several([place]),
        starts_on=day(row.get("effective_date")),
        ends_on=day(row.get("expiration_date")),
    )


def _named(list_id: str, name: object) -> str:
    found = text(name)
    if not found:
        raise ListError(f"an entry of list {list_id} has no name; check that the file is whole")
    return found

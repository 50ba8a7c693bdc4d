"""Lists in OpenSanctions' formats, and tables of one's own."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stillwatch.errors import ListError
from stillwatch.screening.countries import country_codes
from stillwatch.screening.listed import Entry
from stillwatch.screening.lists.fields import day, identity_of, merged, rows_of, several, text
from stillwatch.screening.names import Kind

_SCHEMATA: Final = {
    "person": Kind.PERSON,
    "company": Kind.ORGANISATION,
    "organization": Kind.ORGANISATION,
    "organisation": Kind.ORGANISATION,
    "publicbody": Kind.ORGANISATION,
    "vessel": Kind.VESSEL,
    "airplane": Kind.VESSEL,
    "legalentity": Kind.UNKNOWN,
}
"""OpenSanctions' schemata that are screened against; others (addresses, passports, sanctions) are passed over."""

_IDENTIFIERS: Final = (
    "idNumber",
    "registrationNumber",
    "taxNumber",
    "leiCode",
    "innCode",
    "passportNumber",
    "imoNumber",
)


def read_opensanctions_table(list_id: str, body: str) -> list[Entry]:
    """OpenSanctions' `targets.simple.csv`."""
    return merged(
        Entry(
            list_id,
            text(row.get("id")),
            text(row.get("name")),
            _SCHEMATA[text(row.get("schema")).lower()],
            several(row.get("aliases")),
            country_codes(list(several(row.get("countries")))),
            several(row.get("addresses")),
            several(row.get("identifiers")),
            several(row.get("sanctions")),
            day(row.get("first_seen")),
        )
        for row in rows_of(body)
        if text(row.get("schema")).lower() in _SCHEMATA and text(row.get("name"))
    )


def read_opensanctions_entities(list_id: str, body: str) -> list[Entry]:
    """OpenSanctions' `entities.ftm.json` or `targets.nested.json`: one FollowTheMoney entity on each line.

    Raises:
        ListError: a line is no such entity.
    """
    entries = []
    for number, line in enumerate(body.splitlines(), 1):
        try:
            entity = msgspec.json.decode(line, type=dict[str, Any]) if line.strip() else {}
            entry = _entity(list_id, entity)
        except (msgspec.DecodeError, msgspec.ValidationError, AttributeError, TypeError) as error:
            raise ListError(f"line {number} of list {list_id} is no FollowTheMoney entity") from error
        if entry is not None:
            entries.append(entry)
    return merged(entries)


def _entity(list_id: str, entity: Mapping[str, Any]) -> Entry | None:
    kind = _SCHEMATA.get(text(entity.get("schema")).lower())
    facts = msgspec.convert(entity.get("properties", {}), dict[str, list[Any]])
    names = several([*facts.get("name", []), *facts.get("alias", []), *facts.get("previousName", [])])
    if kind is None or not names:
        return None
    countries = [text(value) for part in ("country", "nationality", "jurisdiction") for value in facts.get(part, [])]
    return Entry(
        list_id,
        text(entity.get("id")),
        names[0],
        kind,
        names[1:],
        country_codes(countries),
        several([place for place in facts.get("address", []) if isinstance(place, str)]),
        several([number for part in _IDENTIFIERS for number in facts.get(part, [])]),
        several(facts.get("topics", [])),
    )


def read_table(list_id: str, body: str) -> list[Entry]:
    """Any table with a column `name`.

    Recognised beside it: `id`, `type` (person, organisation, vessel), `aliases`, `country`, `address`, `identifiers`,
    `programme`, `start_date`, `end_date`; several values in one field stand between semicolons.

    Raises:
        ListError: there is no column `name`, or a row has none.
    """
    entries = []
    for number, row in enumerate(rows_of(body), 2):
        name = text(row.get("name"))
        if not name:
            raise ListError(f"line {number} of list {list_id} has no name; a list is a table with a column `name`")
        entries.append(
            Entry(
                list_id,
                text(row.get("id")) or identity_of(name, row.get("country")),
                name,
                _SCHEMATA.get(text(row.get("type")).lower(), Kind.UNKNOWN),
                several(row.get("aliases")),
                country_codes(list(several(row.get("country")))),
                several(row.get("address")),
                several(row.get("identifiers")),
                several(row.get("programme")),
                day(row.get("start_date")),
                day(row.get("end_date")),
            )
        )
    return merged(entries)

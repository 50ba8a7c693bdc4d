"""What a compliance officer knows about accounts beside telemetry: names, countries, addresses, identifiers."""

from dataclasses import dataclass
from pathlib import Path

from stillwatch.errors import ListError
from stillwatch.screening.countries import country_codes
from stillwatch.screening.lists.fields import rows_of, several, text
from stillwatch.screening.names import Kind


@dataclass(frozen=True, slots=True)
class Registered:
    """What the register says about one account."""

    names: tuple[str, ...] = ()
    kind: Kind = Kind.UNKNOWN
    countries: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Registered()"


def read_register(body: str) -> dict[str, Registered]:
    """Account to what is known of it, from a table with `account_id` and any of the other columns.

    These are `name`, `aliases`, `type` (person or organisation), `country`, `address`, `identifiers`; several values in
    one field stand between semicolons. Rows of one account are taken together.

    Raises:
        ListError: a row names no account, or a type does not exist.
    """
    found: dict[str, Registered] = {}
    for number, row in enumerate(rows_of(body), 2):
        account = text(row.get("account_id"))
        if not account:
            raise ListError(f"line {number} of the register names no account; it needs a column `account_id`")
        found[account] = _joined(found.get(account, Registered()), _registered(row, number))
    return found


def read_text(path: Path) -> str:
    """The text of a file that a person made.

    Raises:
        ListError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(f"{path} cannot be read: {error}") from error


def _registered(row: dict[str, str], number: int) -> Registered:
    try:
        kind = Kind(text(row.get("type")).lower() or Kind.UNKNOWN)
    except ValueError:
        raise ListError(f"line {number} of the register: the type is one of {', '.join(Kind)}") from None
    name = text(row.get("name"))
    return Registered(
        tuple(filter(None, (name, *several(row.get("aliases"))))),
        kind,
        country_codes(list(several(row.get("country")))),
        several(row.get("address")),
        several(row.get("identifiers")),
    )


def _joined(one: Registered, other: Registered) -> Registered:
    return Registered(
        tuple(dict.fromkeys((*one.names, *other.names))),
        other.kind if one.kind is Kind.UNKNOWN else one.kind,
        tuple(sorted({*one.countries, *other.countries})),
        tuple(dict.fromkeys((*one.addresses, *other.addresses))),
        tuple(dict.fromkeys((*one.identifiers, *other.identifiers))),
    )

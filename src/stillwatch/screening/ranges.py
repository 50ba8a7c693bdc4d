"""Which network an address belongs to, from tables of ranges or a MaxMind database."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from stillwatch.errors import EnvironmentFault, ListError
from stillwatch.screening.lists.fields import rows_of, text

_START: Final = ("start", "start_ip", "range_start", "ip_range_start", "network")
_END: Final = ("end", "end_ip", "range_end", "ip_range_end")
_NUMBER: Final = ("asn", "autonomous_system_number", "as_number")
_HOLDER: Final = ("name", "org", "organization", "autonomous_system_organization", "as_name", "entity")


@dataclass(frozen=True, slots=True)
class Network:
    """An autonomous system: its number, and who runs it where the table says so."""

    asn: int
    operator: str = ""


class AddressTable(Protocol):
    """Looks addresses up."""

    def of(self, address: str) -> Network | None:
        """The network of an address; None for one that the table does not hold, and for text that is no address."""
        ...


@dataclass(frozen=True)
class RangeTable:
    """Ranges that do not overlap, ascending by start; version 4 and 6 apart. Ends are inclusive."""

    networks: tuple[Network, ...]
    v4: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64]]
    v6: tuple[list[int], list[int], list[int]] = field(default_factory=lambda: ([], [], []))

    @classmethod
    def parse(cls, body: str) -> "RangeTable":
        """A table with a header: start and end (or a network in CIDR form), ASN, and who runs it.

        Raises:
            ListError: a range cannot be read, or two overlap.
        """
        rows: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        networks: dict[Network, int] = {}
        for number, row in enumerate(rows_of(body), 2):
            version, start, end = _range(_first(row, _START), _first(row, _END), number)
            network = Network(as_number(_first(row, _NUMBER)) or 0, _first(row, _HOLDER))
            rows[version].append((start, end, networks.setdefault(network, len(networks))))
        for ranges in rows.values():
            ranges.sort()
            if any(before[1] >= after[0] for before, after in pairwise(ranges)):
                raise ListError("ranges of the address table overlap; give one range for each address")
        starts, ends, which = ([one[at] for one in rows[4]] for at in range(3))
        return cls(
            tuple(networks),
            (np.array(starts, np.uint64), np.array(ends, np.uint64), np.array(which, np.int64)),
            tuple([one[at] for one in rows[6]] for at in range(3)),  # type: ignore[arg-type]
        )

    def of(self, address: str) -> Network | None:
        """The network of an address."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return None
        starts, ends, which = self.v4 if parsed.version == 4 else self.v6
        at = _last_start(starts, int(parsed))
        return self.networks[int(which[at])] if at >= 0 and int(parsed) <= int(ends[at]) else None


def _last_start(starts: Sequence[int] | npt.NDArray[np.uint64], value: int) -> int:
    if isinstance(starts, np.ndarray):
        return int(np.searchsorted(starts, np.uint64(value), side="right")) - 1
    from bisect import bisect_right

    return bisect_right(starts, value) - 1


class MmdbTable:
    """A MaxMind database file with ASNs (needs `maxminddb`, of the `share` extra)."""

    def __init__(self, path: Path) -> None:
        try:
            import maxminddb
        except ModuleNotFoundError as error:
            raise EnvironmentFault("reading an mmdb file needs maxminddb: install stillwatch[share]") from error
        try:
            self._reader = maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise ListError(f"{path} is no MaxMind database: {error}") from error

    def of(self, address: str) -> Network | None:
        """The network of an address."""
        try:
            found = self._reader.get(address)
        except ValueError:
            return None
        if not isinstance(found, dict):
            return None
        row = {str(name): text(value) for name, value in found.items()}
        asn = as_number(_first(row, _NUMBER))
        return None if asn is None else Network(asn, _first(row, _HOLDER))


def open_table(path: Path) -> AddressTable:
    """The table in a file: `.mmdb`, else text with ranges.

    Raises:
        ListError: the file is missing or no such table.
        EnvironmentFault: an mmdb file without `maxminddb` installed.
    """
    if path.suffix == ".mmdb":
        return MmdbTable(path)
    try:
        return RangeTable.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(f"address table {path} cannot be read: {error}") from error


def as_number(value: str) -> int | None:
    """The number of `AS64500` or `64500`; None for other text."""
    found = re.fullmatch(r"(?:AS)?(\d{1,10})", value.strip(), re.IGNORECASE)
    return int(found.group(1)) if found else None


def _first(row: dict[str, str], names: Sequence[str]) -> str:
    return next((text(row[name]) for name in names if text(row.get(name))), "")


def _range(start: str, end: str, number: int) -> tuple[int, int, int]:
    try:
        if "/" in start:
            network = ipaddress.ip_network(start)
            return network.version, int(network.network_address), int(network.broadcast_address)
        first, last = ipaddress.ip_address(start), ipaddress.ip_address(end or start)
    except ValueError:
        raise ListError(f"line {number} of the address table holds no range of addresses") from None
    if first.version != last.version or int(first) > int(last):
        raise ListError(f"line {number} of the address table: the range ends before it starts")
    return first.version, int(first), int(last)

"""Networks from a genuine MaxMind database file."""

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from stillwatch.errors import ListError
from stillwatch.screening.ranges import AddressTable, Network, open_table

RECORDS = {
    "192.0.2.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Hosting"},
    "198.51.100.0/25": {"asn": "AS64501", "name": "Example Telecom"},
    "2001:db8::/32": {"autonomous_system_number": 64502},
    "203.0.113.0/24": {"country": {"iso_code": "NL"}},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> AddressTable:
    path = tmp_path_factory.mktemp("mmdb") / "asn.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Example-ASN")
    for network, record in RECORDS.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return open_table(path)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", Network(64500, "Example Hosting")),
        ("198.51.100.1", Network(64501, "Example Telecom")),
        ("198.51.100.200", None),
        ("2001:db8::7", Network(64502, "")),
        ("203.0.113.9", None),
        ("no address", None),
    ],
)
def test_an_address_has_the_network_that_the_file_gives_it(
    table: AddressTable, address: str, network: Network | None
) -> None:
    assert table.of(address) == network


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mmdb").write_bytes(b"no database")
    with pytest.raises(ListError, match="MaxMind"):
        open_table(tmp_path / "x.mmdb")

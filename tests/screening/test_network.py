"""Networks, crowds behind them, and channels."""

from pathlib import Path

import pytest

from stillwatch.errors import ListError
from stillwatch.screening.channels import Door, Use, channels
from stillwatch.screening.network import (
    NetworkKind,
    Sureness,
    classify,
    count_unrelated,
    crowds,
    read_network_list,
)
from stillwatch.screening.ranges import Network, RangeTable

HOSTS = read_network_list("hosts", NetworkKind.HOSTING, "AS64500 # Example Hosting, NL\nAS64501 # Plain\n; note\n")
VPNS = read_network_list("vpns", NetworkKind.VPN, 'ASN,Entity\n64500,"Example VPN"\n')


@pytest.mark.parametrize(
    ("network", "kind", "sureness"),
    [
        (Network(64500), NetworkKind.VPN, Sureness.AGREED),
        (Network(64501), NetworkKind.HOSTING, Sureness.LISTED),
        (Network(64502, "Example Cloud Servers"), NetworkKind.HOSTING, Sureness.GUESSED),
        (Network(64503, "Example Telecom"), NetworkKind.UNKNOWN, Sureness.NONE),
        (Network(64504, "Cloudberry Valley Mobile"), NetworkKind.UNKNOWN, Sureness.NONE),
    ],
)
def test_a_kind_says_how_sure_it_is(network: Network, kind: NetworkKind, sureness: Sureness) -> None:
    found = classify(network, [HOSTS, VPNS])
    assert (found.kind, found.sureness) == (kind, sureness)


def test_accounts_that_share_any_tie_are_one_even_through_others() -> None:
    ties = {"a": {"device:1"}, "b": {"device:1", "org:x"}, "c": {"org:x"}, "d": {"org:y"}, "e": set()}
    assert count_unrelated(["a", "b", "c", "d", "e"], ties) == 3
    assert count_unrelated([], ties) == 0


def test_a_crowd_holds_only_accounts_that_mostly_come_from_its_network() -> None:
    uses = [
        ("a", Network(1), 9),
        ("a", Network(2), 1),
        ("b", Network(1), 5),
        ("b", Network(2), 5),
        ("c", Network(2), 3),
    ]
    found = {crowd.classified.network.asn: crowd for crowd in crowds(uses, {}, [], min_share=0.5)}
    assert found[1].accounts == ("a", "b")
    assert found[2].accounts == ("b", "c")
    assert (found[1].n_unrelated, found[1].n_exchanges) == (2, 14)


def test_addresses_are_found_in_ranges_and_networks() -> None:
    table = RangeTable.parse(
        "start,end,asn,name\n192.0.2.0,192.0.2.127,AS64500,Ex\n198.51.100.0/24,,64501,\n2001:db8::/32,,64502,Six\n"
    )
    asked = ("192.0.2.127", "192.0.2.128", "198.51.100.7", "2001:db8::1", "no address", "191.255.255.255")
    assert [getattr(table.of(one), "asn", None) for one in asked] == [64500, None, 64501, 64502, None, None]


@pytest.mark.parametrize(
    "row",
    ["192.0.2.9,192.0.2.1,1,x", "here,there,1,x", "192.0.2.0/24,,1,x\n192.0.2.5,192.0.2.6,2,y", "192.0.2.1,::1,1,x"],
)
def test_ranges_that_cannot_be_are_refused(row: str) -> None:
    with pytest.raises(ListError):
        RangeTable.parse(f"start,end,asn,name\n{row}\n")


def test_a_channel_counts_an_account_once_and_compares_with_all() -> None:
    uses = [Use(Door.RESELLER, "r", "a", 5), Use(Door.RESELLER, "r", "a", 2), Use(Door.RESELLER, "r", "b", 1)]
    uses.append(Use(Door.REGION, "eu", "c", 4))
    found = channels(uses, flagged=frozenset({"a"}), screened={"b": "hold"}, overall_share=0.25)
    reseller = next(one for one in found if one.door is Door.RESELLER)
    assert (reseller.n_accounts, reseller.n_flagged, reseller.n_flagged_exchanges, reseller.n_exchanges) == (2, 1, 7, 8)
    assert (reseller.flagged_share, reseller.lift, reseller.n_held) == (0.5, 2.0, 1)
    assert reseller.low < 0.5 < reseller.high


def test_real_lists_of_networks_are_read(shared_data: Path) -> None:
    folder = shared_data / "net-asn-lists"
    names = ("bad-asn-list.csv", "x4bnet_datacenter_asn.txt", "x4bnet_vpn_asn.txt")
    found = [read_network_list(name, NetworkKind.HOSTING, (folder / name).read_text()) for name in names]
    assert [len(one.operators) > least for one, least in zip(found, (700, 800, 10), strict=True)] == [True] * 3

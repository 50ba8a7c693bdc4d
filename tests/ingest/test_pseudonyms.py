import hashlib

import pyarrow as pa
import pytest

from stillwatch.ingest.pseudonyms import (
    Pseudonymiser,
    Sightings,
    email_shapes,
    normalise_address,
    normalise_email,
    normalise_phone,
    prefix_of,
)
from stillwatch.sources.columns import without_credentials

ALL = frozenset({"address", "email", "phone"})


def names(sightings: Sightings | None = None) -> Pseudonymiser:
    return Pseudonymiser(b"k" * 32, sightings=sightings)


def test_a_pseudonym_is_the_keyed_digest_of_its_class_and_value():
    digest = hashlib.blake2b(b"203.0.113.9", digest_size=8, key=b"k" * 32, person=b"address").digest()
    addresses, _ = names().addresses(pa.array(["203.0.113.9", None]))
    assert addresses.to_pylist() == [int.from_bytes(digest, "big", signed=True), None]


def test_equal_values_of_two_classes_have_unrelated_pseudonyms():
    assert names().of("email", "x") != names().of("phone", "x")


def test_another_key_gives_other_pseudonyms():
    assert names().of("email", "x") != Pseudonymiser(b"z" * 32, sightings=None).of("email", "x")


@pytest.mark.parametrize(
    ("raw", "address", "prefix"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
        (" 203.0.113.9:4711 ", "203.0.113.9", "203.0.113.0/24"),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::1", "2001:db8:1::/48"),
        ("[2001:db8:1::1]:443", "2001:db8:1::1", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::1", "fe80::/48"),
        ("Unknown", "unknown", None),
        ("203.0.113.xxx", "203.0.113.xxx", None),
    ],
)
def test_addresses_are_canonical_and_have_a_prefix(raw, address, prefix):
    assert normalise_address(raw) == address
    assert prefix_of(normalise_address(raw)) == prefix


def test_two_addresses_of_one_network_share_the_prefix_only():
    addresses, prefixes = names().addresses(pa.array(["203.0.113.9", "203.0.113.10"]))
    assert addresses[0] != addresses[1]
    assert prefixes[0] == prefixes[1]


def test_an_email_as_account_id_becomes_an_alias_of_its_pseudonym():
    sightings = Sightings(ALL)
    made = names(sightings)
    (alias,) = made.aliases(pa.array([" Me@Example.test"])).to_pylist()
    pseudonym = made.of("email", "me@example.test")
    assert alias == f"acct-{pseudonym & (2**64 - 1):016x}"
    assert sightings.take() == {"email": {pseudonym: "me@example.test"}}


@pytest.mark.parametrize("phone", ["+1 (555) 123-4567", "+15551234567", "555-123-4567", "(555) 123-4567"])
def test_a_phone_as_account_id_becomes_an_alias(phone):
    (alias,) = names().aliases(pa.array([phone])).to_pylist()
    assert alias.startswith("acct-")
    assert "123" not in alias or phone[-4:] not in alias


@pytest.mark.parametrize(
    "plain",
    [
        "acct-17",
        "123456789012",
        "desk-12",
        "task-sk-9x"[:6],
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "org:eu/team-1",
        "a" * 64,
    ],
)
def test_ordinary_ids_stay_as_they_are(plain):
    assert names().aliases(pa.array([plain, None])).to_pylist() == [plain, None]
    assert names().references(pa.array([plain, None])).to_pylist() == [plain, None]


@pytest.mark.parametrize(
    "secret", ["sk-abc123", "SK-ABC123", "Bearer abc.def", "eyJhbGciOi.eyJzdWIi.sig", "AKIAABCDEFGHIJKLMNOP"]
)
def test_a_key_as_id_has_the_name_that_sources_and_gateways_give_it(secret):
    """An account in the register, a gateway's question and telemetry of it must not have three names."""
    (alias,) = names().aliases(pa.array([secret])).to_pylist()
    assert alias == hashlib.sha256(secret.encode()).hexdigest()
    assert without_credentials(pa.array([secret])).to_pylist() == [alias]


@pytest.mark.parametrize("secret", ["ghp_0123456789abcdefghij", "team sk-abc123", "xoxb-1234-abc"])
def test_another_secret_as_id_becomes_a_keyed_alias(secret):
    (alias,) = names().aliases(pa.array([secret])).to_pylist()
    assert alias.startswith("key-")
    assert len(alias) == 20


def test_a_long_mixed_api_key_is_taken_for_the_key_itself_and_a_hash_is_not():
    key, digest = "Zx9" + "aB3dE5fG7h" * 4, hashlib.sha256(b"x").hexdigest()
    made = names().aliases(pa.array([key, digest]), may_be_key=True).to_pylist()
    assert made[0].startswith("key-")
    assert made[1] == digest


def test_ids_run_together_do_not_hide_a_secret():
    assert names().aliases(pa.array(["abc", "hf_0123456789abcdefg"])).to_pylist()[1].startswith("key-")


@pytest.mark.parametrize("address", ["203.0.113.9", "203.0.113.9:80", "2001:db8::1"])
def test_an_address_as_account_id_becomes_an_alias(address):
    made = names()
    pseudonym = made.of("address", normalise_address(address))
    assert made.aliases(pa.array(["x", address])).to_pylist() == ["x", f"acct-{pseudonym & (2**64 - 1):016x}"]


def test_only_sealed_classes_are_remembered():
    sightings = Sightings(frozenset({"email"}))
    made = names(sightings)
    made.addresses(pa.array(["203.0.113.9"]))
    made.column("email", pa.array(["a@b.test"]), normalise_email)
    assert list(sightings.take()) == ["email"]
    assert sightings.take() == {}


def test_shapes_show_runs_of_letters_and_digits():
    domains, shapes = email_shapes(pa.array(["Jo.Doe12@Mail.test", "ü9x-1@x.y", "no address", None]))
    assert domains.to_pylist() == ["mail.test", "x.y", None, None]
    assert shapes.to_pylist() == ["a.a9", "a9a-9", None, None]


def test_phones_are_compared_by_their_digits():
    assert normalise_phone("+1 (555) 123") == normalise_phone("+1555123") == "+1555123"

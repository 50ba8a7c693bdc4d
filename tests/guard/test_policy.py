from datetime import UTC, datetime

import pytest

from stillwatch.errors import ConfigError
from stillwatch.guard import FieldClass, Policy, load_policy, shipped_policy
from stillwatch.guard.shapes import BANDS, band, band_floor
from stillwatch.pipeline.health import said_of_bases
from tests.guard.objects import AT

SHIPPED = shipped_policy()


def test_commercial_and_coordination_are_dropped_by_every_profile(policy: Policy) -> None:
    for profile in policy.profiles.values():
        assert profile.action(FieldClass.COMMERCIAL) == profile.action(FieldClass.COORDINATION) == "drop"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('volume = "band"', 'volume = "band"\ncommercial = "allow"', "commercial"),
        ('volume = "band"', 'volume = "band"\ncoordination = "band"', "coordination"),
        ('content = "drop"', 'content = "allow"', "content"),
        ('max_tlp = "amber"', 'max_tlp = "amber+strict"', "above amber"),
        ('max_tlp = "amber"', 'max_tlp = "red"', "above amber"),
        ('max_tlp = "amber"', 'max_tlp = "mauve"', "marking"),
        ("needs_approver = true", "needs_approver = false", "approver"),
        ('fallback = "peer-strict"', 'fallback = "nowhere"', "falls back"),
        ('basis = "cisa2015"', 'basis = "wish"', "basis"),
        ('"*:confidence"', '"*:list_price"', "commercial"),
        ('"*:confidence"', '"*:recommended_action"', "coordination"),
        ('"*:confidence"', '"*:id"', "twice"),
        ('shape = "percent"', 'shape = "anything"', "shape"),
        ('"Financial Harm"', '"Financial Harm at $4 a million tokens"', "phrase"),
        ('publisher = "An AI laboratory"', 'publisher = "write to ana@lab.example"', "phrase"),
        ("version = 1", "version = 1\nsurprise = 2", "surprise"),
        ("version = 1", "version = ", "valid"),
    ],
)
def test_a_policy_that_would_open_what_must_stay_shut_does_not_load(old: str, new: str, said: str) -> None:
    assert old in SHIPPED
    with pytest.raises(ConfigError, match=said):
        load_policy(SHIPPED.replace(old, new, 1))


def test_the_digest_is_that_of_the_bytes(policy: Policy) -> None:
    assert load_policy(SHIPPED).digest == policy.digest != load_policy(SHIPPED + "\n").digest


def test_bases_that_ran_out_are_named(policy: Policy) -> None:
    assert policy.expired(AT) == []
    assert [basis.id for basis in policy.expired(datetime(2026, 10, 1, tzinfo=UTC))] == ["cisa2015"]


def test_profiles_that_fall_back_to_each_other_end_in_a_refusal() -> None:
    text = SHIPPED.replace('basis = "doj-ftc-2014"', 'basis = "cisa2015"\nfallback = "peer"')
    with pytest.raises(Exception, match="no legal basis"):
        load_policy(text).terms("peer", datetime(2026, 10, 1, tzinfo=UTC))


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (1, "1-2"), (9, "3-9"), (10, "10-29"), (24812, "10000-29999")])
def test_bands_begin_at_ones_and_threes(count: int, shown: str) -> None:
    assert band(count) == shown


def test_each_count_lies_in_its_band() -> None:
    for count in [*range(1, 5000), 10**6 - 1, 10**6, 3 * 10**6]:
        low, _, high = band(count).partition("-")
        assert int(low) == band_floor(count) <= count <= int(high)
        assert band(count) in BANDS


def test_doctor_warns_about_a_legal_basis_that_ran_out(policy: Policy) -> None:
    late = policy.expired(datetime(2026, 10, 1, tzinfo=UTC))
    assert "cisa2015 ended on 2026-09-30" in said_of_bases(late, late)
    assert "cisa2015 ends on 2026-09-30" in said_of_bases([], late)
    assert "holds" in said_of_bases([], [])

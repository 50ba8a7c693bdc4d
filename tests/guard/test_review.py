import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.errors import GuardRefused
from stillwatch.guard import FieldClass, Guard, Policy, Support
from stillwatch.guard.tlp import MARKING_IDS, OLDER_IDS, Tlp, marking
from tests.guard.conftest import Record, offer, passage
from tests.guard.objects import (
    AT,
    CAMPAIGN_EXTENSION,
    ENOUGH,
    address,
    campaign,
    clean_objects,
    framed,
    indicator,
    sighting,
    stix_id,
    technique,
)
from tests.guard.planted import planted

OUTBOUND = ("peer", "peer-strict", "public", "authority", "relay", "relay-strict")
PROFILES = (*OUTBOUND, "inbound")


def passed(guard: Guard, stix: dict[str, Any], profile: str = "peer", **fields: object) -> dict[str, Any] | None:
    """The object as it leaves; None when it stays."""
    cleared = guard.clear(offer(stix), passage(profile, approver="ana", **fields))
    return json.loads(cleared.objects[0]) if len(cleared) else None


@pytest.mark.parametrize("profile", PROFILES)
def test_none_of_200_planted_violations_comes_through(guard: Guard, profile: str) -> None:
    leaked = []
    for stix, secret, disguised in planted(200, seed=7):
        said = json.dumps(passed(guard, stix, profile), ensure_ascii=False).casefold()
        told = [
            word for word in (secret, disguised) if word.casefold() in said or json.dumps(word)[1:-1].casefold() in said
        ]
        leaked += [(stix["type"], word) for word in told]
    assert leaked == []


def test_200_clean_objects_come_through_unaltered(guard: Guard, record: Record) -> None:
    for stix in clean_objects(200, seed=3):
        assert passed(guard, stix) == stix
    outcomes = {decision.outcome for review, _ in record.written for decision in review.decisions}
    assert outcomes == {"allow"}


def test_every_field_of_every_object_has_a_decision(guard: Guard, record: Record) -> None:
    def leaves(value: object) -> int:
        if isinstance(value, dict):
            return sum(map(leaves, value.values()))
        return sum(map(leaves, value)) if isinstance(value, list) else 1

    objects = [*clean_objects(10, seed=1), *(stix for stix, _, _ in planted(10, seed=1))]
    guard.clear(offer(*objects), passage())
    (review, _), *_ = record.written
    for number, stix in enumerate(objects):
        decided = [d for d in review.decisions if d.object_no == number and d.path]
        assert len(decided) == leaves(stix)


markings = st.sampled_from(
    [*MARKING_IDS.values(), *OLDER_IDS, "marking-definition--00000000-0000-4000-8000-000000000000"]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(markings, max_size=3), st.lists(markings, max_size=2), st.sampled_from(OUTBOUND), st.integers(0, 4))
def test_amber_strict_and_red_leave_by_no_profile(
    policy: Policy, refs: list[str], granular: list[str], profile: str, kind: int
) -> None:
    guard = Guard(policy, record=Record(), peer_key=lambda peer: b"k" * 32)
    stix = clean_objects(5, seed=2)[kind] | {"object_marking_refs": refs}
    if granular:
        stix["granular_markings"] = [{"marking_ref": ref, "selectors": ["type"]} for ref in granular]
    allowed = {MARKING_IDS[level] for level in (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER)} | set(list(OLDER_IDS)[:2])
    if not set(refs + granular) <= allowed or not refs + granular:
        assert passed(guard, stix, profile) is None
    elif profile == "peer":
        assert passed(guard, stix, profile) is not None


def test_the_public_gets_only_what_is_marked_clear(guard: Guard) -> None:
    green = campaign(random.Random(1)) | {"object_marking_refs": [MARKING_IDS[Tlp.GREEN]]}
    assert passed(guard, green, "public") is None
    assert passed(guard, green, "peer") is not None


def test_published_markings_pass_and_forged_ones_do_not(guard: Guard) -> None:
    assert passed(guard, marking(Tlp.AMBER)) == marking(Tlp.AMBER)
    assert passed(guard, marking(Tlp.RED)) is None
    assert passed(guard, marking(Tlp.GREEN) | {"name": "TLP:GREEN costs $4"}) is None


def test_exact_counts_become_bands_and_recent_ones_wait(guard: Guard) -> None:
    stix = campaign(random.Random(1))
    stix["extensions"][CAMPAIGN_EXTENSION]["n_accounts"] = 24812
    left = passed(guard, stix)
    assert left["extensions"][CAMPAIGN_EXTENSION]["n_accounts"] == "10000-29999"
    recent = guard.clear(offer(stix, active_until=AT - timedelta(days=2)), passage())
    assert "n_accounts" not in recent.objects[0].decode()


def test_a_count_of_sightings_is_the_least_of_its_band(guard: Guard) -> None:
    assert passed(guard, sighting(random.Random(1), count=731))["count"] == 300


def test_times_of_activity_leave_by_the_day(guard: Guard) -> None:
    stix = campaign(random.Random(1), first_seen="2026-04-22T13:37:11.123Z")
    assert passed(guard, stix)["first_seen"] == "2026-04-22T00:00:00Z"
    assert passed(guard, stix, "authority")["first_seen"] == "2026-04-22T13:37:11.123Z"


@pytest.mark.parametrize(
    "support", [Support(4, 1.0), Support(50, 0.89), Support(50, 1.0, n_shingles=63)], ids=["few", "shared", "short"]
)
def test_a_trait_without_enough_flagged_accounts_behind_it_stays(guard: Guard, support: Support) -> None:
    stix = address(random.Random(1))
    assert len(guard.clear(offer(stix, support={stix["id"]: support}), passage())) == 0
    assert len(guard.clear(offer(stix, support={}), passage())) == 0
    assert len(guard.clear(offer(stix, support={stix["id"]: ENOUGH}), passage())) == 1


def account(name: str) -> dict[str, Any]:
    stix = framed("user-account", random.Random(name), user_id=name)
    return {key: value for key, value in stix.items() if key not in ("created", "modified")}


def test_an_account_is_another_pseudonym_at_each_peer_and_its_id_and_references_follow(guard: Guard) -> None:
    stix = account("acct-1")
    group = framed("grouping", random.Random(2), context="suspicious-activity", object_refs=[stix["id"]])
    seen = set()
    for peer in ("lab-b", "lab-c"):
        cleared = guard.clear(offer(stix, group), passage(peer=peer))
        left, grouped = (json.loads(body) for body in cleared.objects)
        assert grouped["object_refs"] == [left["id"]] != [stix["id"]]
        assert "acct-1" not in cleared.bundle().decode()
        seen.add((left["id"], left["user_id"]))
    assert len(seen) == 2


def test_only_a_few_accounts_leave_so_that_their_number_tells_nothing(guard: Guard) -> None:
    accounts = [account(f"acct-{number}") for number in range(40)]
    group = framed("grouping", random.Random(2), context="unknown", object_refs=[stix["id"] for stix in accounts])
    *left, grouped = (json.loads(body) for body in guard.clear(offer(*accounts, group), passage()).objects)
    assert len(left) == 10
    assert sorted(grouped["object_refs"]) == sorted(stix["id"] for stix in left)


def test_identities_leave_in_clear_only_with_a_named_approver(guard: Guard) -> None:
    stix = account("acct-1")
    assert json.loads(guard.clear(offer(stix), passage("authority", approver="Ana")).objects[0])["user_id"] == "acct-1"
    for nobody in (None, " "):
        with pytest.raises(GuardRefused, match="approver"):
            guard.clear(offer(stix), passage("authority", approver=nobody))
    assert len(guard.clear(offer(stix), passage("public"))) == 0


def test_protected_words_do_not_leave_in_any_other_field(guard: Guard) -> None:
    stix = campaign(random.Random(1), description="Seen at acct-1 and elsewhere.")
    cleared = guard.clear(offer(stix, protected=frozenset({"acct-1"})), passage("authority", approver="ana"))
    assert b"acct-1" not in cleared.bundle()


def test_what_refers_to_an_object_that_stays_goes_without_the_reference_or_stays_too(guard: Guard) -> None:
    draw = random.Random(1)
    secret = indicator(draw, pattern="[file:name = 'plans.txt']")
    seen = sighting(draw, sighting_of_ref=secret["id"])
    edge = framed(
        "relationship",
        draw,
        relationship_type="indicates",
        source_ref=secret["id"],
        target_ref=stix_id("campaign", draw),
    )
    cleared = guard.clear(offer(secret, seen, edge, technique(draw)), passage())
    assert [json.loads(body)["type"] for body in cleared.objects] == ["attack-pattern"]


def test_an_expired_legal_basis_falls_back_to_the_stricter_profile(guard: Guard) -> None:
    stix = campaign(random.Random(1))
    late = passage(at=datetime(2026, 10, 1, tzinfo=UTC))
    cleared = guard.clear(offer(stix), late)
    assert (cleared.terms.asked, cleared.terms.name, cleared.terms.basis.id) == ("peer", "peer-strict", "doj-ftc-2014")
    assert b"n_accounts" not in cleared.objects[0]
    assert b"n_accounts" in guard.clear(offer(stix), passage(at=datetime(2026, 9, 30, 23, tzinfo=UTC))).objects[0]


def test_without_any_legal_basis_nothing_leaves_and_a_profile_that_does_not_exist_is_none(guard: Guard) -> None:
    with pytest.raises(GuardRefused, match="legal basis"):
        guard.clear(offer(campaign(random.Random(1))), passage(at=datetime(1999, 1, 1, tzinfo=UTC)))
    with pytest.raises(GuardRefused):
        guard.clear(offer(campaign(random.Random(1))), passage("everyone"))


@pytest.mark.parametrize(
    "field", [{"list_price": 3}, {"x_margin": 0.4}, {"recommended_response": "none"}, {"description": "costs $4"}]
)
def test_an_inbound_object_with_a_rivals_business_is_quarantined_as_a_whole(
    guard: Guard, record: Record, field: dict[str, object]
) -> None:
    assert passed(guard, campaign(random.Random(1), **field), "inbound") is None
    review, _ = record.written[-1]
    assert review.held_back == (0,)
    assert any(d.rule == "quarantined" for d in review.decisions)
    assert any(d.field_class in (FieldClass.COMMERCIAL, FieldClass.COORDINATION) for d in review.decisions)


def test_a_record_holds_neither_values_nor_keys_that_say_something(guard: Guard, record: Record) -> None:
    stix = campaign(random.Random(1), **{"mallory@mail.example": "costs $4"})
    guard.clear(offer(stix), passage())
    told = repr([d for review, _ in record.written for d in review.decisions])
    assert "mallory" not in told
    assert "$4" not in told
    assert any(d.path == "?" for d in record.written[0][0].decisions)


def test_equal_offers_give_equal_bytes(guard: Guard) -> None:
    objects = clean_objects(20, seed=9)
    assert guard.clear(offer(*objects), passage()).bundle() == guard.clear(offer(*objects), passage()).bundle()


def test_a_preview_lets_nothing_pass_and_records_nothing(guard: Guard, record: Record) -> None:
    stix = campaign(random.Random(1))
    shown = guard.preview(offer(stix), passage())
    assert shown.objects == (stix,)
    assert record.written == []


def test_what_was_cleared_once_is_asked_again_when_it_is_served(guard: Guard) -> None:
    clear, red = (
        campaign(random.Random(1)),
        campaign(random.Random(2)) | {"object_marking_refs": [MARKING_IDS[Tlp.RED]]},
    )
    stored = [(json.dumps(stix).encode(), stix) for stix in (clear, red)]
    assert len(guard.again(stored, passage(), "r1")) == 1
    with pytest.raises(GuardRefused):
        guard.again(stored, passage(at=datetime(1999, 1, 1, tzinfo=UTC)), "r1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "id", "name", "extensions", "object_marking_refs", "x"]), json_values))
def test_any_json_is_reviewed_without_an_error_and_nothing_unmarked_passes(
    policy: Policy, stix: dict[str, Any]
) -> None:
    guard = Guard(policy, record=Record(), peer_key=lambda peer: b"k" * 32)
    assert len(guard.clear(offer(stix, support={}), passage())) == 0

"""The snapshot at the gateway: what it answers, and which files it refuses."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.errors import SnapshotError
from stillwatch.model.decision import Action, Decision, DecisionRequest, Mode
from stillwatch.response import Contents, Snapshot, build, sign, verified, write
from tests.response.worlds import NOON, Clock

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
SUSPENDED = Decision(
    decision_id="d-1", account_id="bad", campaign_id="c-1", action=Action.SUSPEND, mode=Mode.ENFORCE, rule="stop",
    reasons=("tier accuse",), decided_at=NOON, expires_at=NOON + timedelta(days=14), policy_digest="p", run_id="r",
    calibration_id="c", approved_by="ana", second_by="ben",
)  # fmt: skip
SLOWED = replace(SUSPENDED, decision_id="d-2", account_id="slow", action=Action.RATE_LIMIT, pause_seconds=30.0)
UNKNOWN = replace(SUSPENDED, decision_id="d-3", account_id=None, action=Action.SUSPEND, min_token_kinds=2)
ASKED = replace(UNKNOWN, decision_id="d-4", action=Action.STEP_UP, min_token_kinds=1)
TOKENS = {("skeleton", 1): "c-1", ("shingle", 2): "c-1", ("system", 3): "c-1", ("ja4", 4): "c-2"}
CONTENTS = Contents(
    decisions=(SUSPENDED, SLOWED, UNKNOWN, ASKED), tokens=TOKENS, known=["old"], exempt=["owner"], first_request_cap=7
)


def made(contents: Contents = CONTENTS, clock: Clock | None = None) -> Snapshot:
    body = build(contents, created_at=NOON, expires_at=NOON + timedelta(hours=24))
    return Snapshot(body, clock=(clock or Clock()).micros)


def about(*decisions: Decision, clock: Clock | None = None) -> Snapshot:
    return made(replace(CONTENTS, decisions=decisions), clock)


def test_a_verdict_names_its_decision_campaign_and_reasons() -> None:
    verdict = made().decide(DecisionRequest("slow"))
    assert (verdict.action, verdict.decision_id, verdict.campaign_id) == (Action.RATE_LIMIT, "d-2", "c-1")
    assert verdict.reasons == ("stop", "tier accuse")
    assert verdict.retry_after == 30.0


def test_two_kinds_of_exclusive_tokens_get_the_action_and_one_kind_the_milder_one() -> None:
    served = made()
    two = served.decide(DecisionRequest("new", {"skeleton": [9, 1], "system": [3]}))
    one = served.decide(DecisionRequest("new", {"skeleton": [1], "shingle": [2]}))
    assert (two.action, two.is_first_request, two.decision_id) == (Action.SUSPEND, True, "d-3")
    assert (one.action, one.is_first_request) == (Action.STEP_UP, True)


@pytest.mark.parametrize(
    ("sent", "action"), [([5, 6], Action.ALLOW), ([5, 6, 9], Action.ALLOW), ([5, 6, 7], Action.STEP_UP)]
)
def test_shingles_count_as_a_kind_from_three_of_one_campaign_on(sent: list[int], action: Action) -> None:
    tokens = TOKENS | {("shingle", number): "c-1" for number in (5, 6, 7)} | {("shingle", 9): "c-2"}
    other = replace(ASKED, decision_id="d-6", campaign_id="c-2")
    served = made(Contents(decisions=(ASKED, other), tokens=tokens))
    assert served.decide(DecisionRequest("new", {"shingle": sent})).action is action


def test_an_address_and_its_prefix_are_one_kind() -> None:
    served = made(replace(CONTENTS, tokens=TOKENS | {("address", 5): "c-1", ("prefix", 6): "c-1"}))
    assert served.decide(DecisionRequest("new", {"address": [5], "prefix": [6]})).action is Action.STEP_UP


def test_tokens_of_two_campaigns_do_not_add_up() -> None:
    tokens = TOKENS | {("system", 3): "c-2"}
    two = replace(UNKNOWN, decision_id="d-5", campaign_id="c-2")
    served = made(Contents(decisions=(UNKNOWN, two), tokens=tokens))
    assert served.decide(DecisionRequest("new", {"skeleton": [1], "system": [3]})).action is Action.ALLOW


@pytest.mark.parametrize("name", ["old", "owner"])
def test_accounts_that_are_known_or_exempt_are_not_recognised_by_tokens(name: str) -> None:
    assert made().decide(DecisionRequest(name, {"skeleton": [1], "system": [3]})).action is Action.ALLOW


def test_a_kind_or_token_that_nobody_heard_of_is_ignored() -> None:
    assert (
        made().decide(DecisionRequest("new", {"aura": [1], "skeleton": [2**63 - 1, -(2**63)]})).action is Action.ALLOW
    )


def test_a_snapshot_past_its_time_keeps_suspensions_alone() -> None:
    served = made(clock=Clock(NOON + timedelta(hours=25)))
    assert served.decide(DecisionRequest("bad")).action is Action.SUSPEND
    assert served.decide(DecisionRequest("slow")).action is Action.ALLOW
    assert served.decide(DecisionRequest("new", {"skeleton": [1], "system": [3]})).action is Action.ALLOW


def test_a_suspension_past_its_time_ends_even_in_an_old_snapshot() -> None:
    assert made(clock=Clock(NOON + timedelta(days=15))).decide(DecisionRequest("bad")).action is Action.ALLOW


def test_a_decision_about_models_leaves_other_models_alone() -> None:
    served = about(replace(SLOWED, models=("large",)))
    assert served.decide(DecisionRequest("slow", model="large")).action is Action.RATE_LIMIT
    assert served.decide(DecisionRequest("slow", model="small")).action is Action.ALLOW
    assert served.decide(DecisionRequest("slow")).action is Action.ALLOW


def test_a_shadow_is_told_beside_what_acts_and_never_acts() -> None:
    shadow = replace(SLOWED, decision_id="d-9", action=Action.SUSPEND, mode=Mode.SHADOW)
    alone = about(shadow).decide(DecisionRequest("slow"))
    beside = about(shadow, SLOWED).decide(DecisionRequest("slow"))
    assert (alone.action, alone.shadow_action, alone.retry_after) == (Action.ALLOW, Action.SUSPEND, None)
    assert (beside.action, beside.shadow_action) == (Action.RATE_LIMIT, Action.SUSPEND)


def test_a_canary_about_unknown_accounts_acts_on_its_share_of_them() -> None:
    served = about(replace(ASKED, mode=Mode.CANARY, canary_percent=10.0))
    verdicts = [served.decide(DecisionRequest(f"new-{number}", {"system": [3]})) for number in range(4000)]
    n_touched = sum(verdict.action is Action.STEP_UP for verdict in verdicts)
    assert abs(n_touched / 4000 - 0.1) < 0.02
    assert {v.shadow_action for v in verdicts if v.action is Action.ALLOW} == {Action.STEP_UP}
    assert served.decide(DecisionRequest(None, {"system": [3]})).action is Action.ALLOW


def test_decisions_about_exempt_accounts_do_not_enter_a_snapshot() -> None:
    served = made(replace(CONTENTS, exempt=["bad"]))
    assert served.decide(DecisionRequest("bad")).action is Action.ALLOW
    assert served.is_exempt("bad")


def test_a_written_snapshot_comes_back_equal(tmp_path: Path) -> None:
    body = build(CONTENTS, created_at=NOON, expires_at=NOON + timedelta(hours=24))
    write(tmp_path / "s", body, KEY)
    assert verified((tmp_path / "s").read_bytes(), PUBLIC, "s") == body
    served = Snapshot.read(tmp_path / "s", PUBLIC, clock=Clock().micros)
    assert (served.n_accounts, served.n_tokens, served.first_request_cap) == (2, 3, 7)


def test_an_older_snapshot_is_not_taken_back(tmp_path: Path) -> None:
    def put(at: datetime) -> Path:
        write(tmp_path / "s", build(CONTENTS, created_at=at, expires_at=at + timedelta(hours=24)), KEY)
        return tmp_path / "s"

    newer = Snapshot.read(put(NOON + timedelta(hours=1)), PUBLIC)
    with pytest.raises(SnapshotError, match="old file"):
        Snapshot.read(put(NOON), PUBLIC, newer_than=newer.serial)


def test_a_missing_file_and_another_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read"):
        Snapshot.read(tmp_path / "none", PUBLIC)
    raw = sign(build(CONTENTS, created_at=NOON, expires_at=NOON), Ed25519PrivateKey.generate())
    with pytest.raises(SnapshotError, match="not signed by this workspace"):
        verified(raw, PUBLIC, "s")


@given(st.data())
def test_any_changed_or_missing_byte_is_found(data: st.DataObject) -> None:
    raw = sign(build(CONTENTS, created_at=NOON, expires_at=NOON), KEY)
    place = data.draw(st.integers(0, len(raw) - 1))
    flipped = raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :]
    for damaged in (flipped, raw[:place]):
        with pytest.raises(SnapshotError):
            verified(damaged, PUBLIC, "s")


def test_a_signed_file_of_another_layout_is_refused() -> None:
    signature = KEY.sign(b"SWSNAP02" + hashlib.sha512(b"\x80").digest())
    with pytest.raises(SnapshotError, match="another release"):
        verified(b"SWSNAP02" + signature + b"\x80", PUBLIC, "s")


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.dictionaries(names, st.sampled_from(Action), max_size=12), st.lists(names, max_size=12))
def test_every_account_gets_what_was_decided_about_it_and_others_nothing(
    decided: dict[str, Action], others: list[str]
) -> None:
    decisions = [
        replace(SUSPENDED, decision_id=f"d-{number}", account_id=name, action=action)
        for number, (name, action) in enumerate(decided.items())
    ]
    served = about(*decisions)
    assert served.n_accounts == len(decided)
    for name in {*decided, *others}:
        assert served.decide(DecisionRequest(name)).action is decided.get(name, Action.ALLOW)


def test_two_accounts_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("snapshot", "snapshot_file"):
        monkeypatch.setattr(f"stillwatch.response.{module}.account_hash", lambda _name: 7)
    served = about(SUSPENDED, SLOWED)
    assert served.decide(DecisionRequest("bad")).action is Action.SUSPEND
    assert served.decide(DecisionRequest("slow")).action is Action.RATE_LIMIT
    assert served.decide(DecisionRequest("good")).action is Action.ALLOW


tokens = st.integers(-(2**63), 2**63 - 1)


@given(st.dictionaries(tokens, st.sampled_from(["c-1", "c-2"]), max_size=20), st.lists(tokens, max_size=20))
def test_a_token_that_is_sent_is_found_wherever_it_lies(exclusive: dict[int, str], sent: list[int]) -> None:
    some = {("system", token): campaign for token, campaign in exclusive.items()}
    steps = [replace(UNKNOWN, campaign_id=name, min_token_kinds=1) for name in ("c-1", "c-2")]
    served = made(replace(CONTENTS, decisions=tuple(steps), tokens=some))
    for asked in ([], sent, *([token] for token in {*exclusive, *sent})):
        hits = [exclusive[token] for token in asked if token in exclusive]
        verdict = served.decide(DecisionRequest("new", {"system": asked}))
        assert verdict.campaign_id == min(hits, default=None)

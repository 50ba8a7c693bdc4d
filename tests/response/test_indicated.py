"""What peers name, at the gateway: a reason to look at an account that nobody knew, and never more."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from stillwatch.errors import ConfigError
from stillwatch.ingest.pseudonyms import Pseudonymiser
from stillwatch.model.decision import PEER_INDICATORS, Action, DecisionRequest, Mode
from stillwatch.pipeline.response import Responder
from stillwatch.response import Snapshot
from stillwatch.sharing.extensions import INDICATOR
from stillwatch.sharing.inbox import Inbox
from stillwatch.store.schema import STORED
from stillwatch.store.workspace import Workspace
from tests.guard.objects import indicator
from tests.response.test_snapshot import ASKED, CONTENTS, TOKENS, UNKNOWN, made
from tests.response.worlds import CAMPAIGN, COMMON, GREET, Clock, Found, policy, responder, workspace
from tests.sharing.worlds import sharing

NAMED = 'named | first_request = true; peer_indicator = true; tiers = ["review"]; action = "{}"; mode = "enforce"'
LOOK, VERIFY = NAMED.format("observe"), NAMED.format("step_up")
CLIENT = "t13d1516h2_8daaf6152771_02713d6af862"
PEERS = replace(ASKED, decision_id="d-9", campaign_id=PEER_INDICATORS, action=Action.OBSERVE)


def told(opened: Workspace, clock: Clock, **fields: object) -> dict[str, object]:
    """An indicator of lab-b that names an address and a client, received."""
    extension = {INDICATOR: {"extension_type": "property-extension", "ja4": [CLIENT]}}
    sent = indicator(
        random.Random(7), **{"pattern": "[ipv4-addr:value = '192.0.2.7']", "extensions": extension} | fields
    )
    sharing(opened).inbox.receive([sent], peer="lab-b", channel="taxii", at=clock())
    return sent


def served(made_by: Responder, clock: Clock) -> Snapshot:
    return Snapshot.read(made_by.publish(), made_by.public_key, clock=clock.micros)


def at_address(opened: Workspace) -> DecisionRequest:
    names = Pseudonymiser(opened.keys.pseudonym_key, sightings=None)
    return DecisionRequest("nobody-knows", {"address": [names.address("192.0.2.7")[0] or 0]})


@pytest.mark.parametrize(("rule", "action"), [(LOOK, Action.OBSERVE), (VERIFY, Action.STEP_UP)])
def test_an_unknown_account_that_carries_what_a_peer_names_is_recognised(
    tmp_path: Path, rule: str, action: Action
) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        told(opened, clock)
        maker = responder(opened, clock)
        maker.apply(policy(rule), author="ana")
        verdict = served(maker, clock).decide(at_address(opened))
    assert (verdict.action, verdict.is_first_request, verdict.campaign_id) == (action, True, PEER_INDICATORS)
    assert "peer_indicator" in verdict.reasons


def test_an_account_that_detection_judged_is_not_touched_for_what_a_peer_says(tmp_path: Path) -> None:
    clock, known = Clock(), Found()
    with workspace(tmp_path / "w", known) as opened:
        told(opened, clock)
        maker = responder(opened, clock)
        maker.apply(policy(VERIFY), author="ana")
        verdict = served(maker, clock).decide(replace(at_address(opened), account_id=known.honest[0]))
    assert verdict.action is Action.ALLOW


def test_no_rule_means_no_action(tmp_path: Path) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        told(opened, clock)
        maker = responder(opened, clock)
        maker.apply(policy(GREET), author="ana")
        assert served(maker, clock).decide(at_address(opened)).action is Action.ALLOW


def test_an_indicator_that_ended_or_was_revoked_recognises_nobody(tmp_path: Path) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        sent = told(opened, clock, valid_until="2026-05-11T00:00:00Z")
        maker = responder(opened, clock)
        maker.apply(policy(VERIFY), author="ana")
        assert served(maker, clock).decide(at_address(opened)).action is Action.STEP_UP
        gone = sent | {"revoked": True, "modified": "2026-05-03T00:00:00.000Z"}
        sharing(opened).inbox.receive([gone], peer="lab-b", channel="taxii", at=clock())
        assert served(maker, clock).decide(at_address(opened)).action is Action.ALLOW


def test_an_indicator_beyond_its_time_recognises_nobody(tmp_path: Path) -> None:
    clock = Clock()
    with workspace(tmp_path / "w") as opened:
        told(opened, clock, valid_until="2026-05-11T00:00:00Z")
        maker = responder(opened, clock)
        maker.apply(policy(VERIFY), author="ana")
        clock.at += timedelta(days=1)
        assert served(maker, clock).decide(at_address(opened)).action is Action.ALLOW


@pytest.mark.parametrize(("n_carriers", "action"), [(5, Action.STEP_UP), (6, Action.ALLOW)])
def test_what_honest_accounts_carry_here_recognises_nobody(tmp_path: Path, n_carriers: int, action: Action) -> None:
    """A peer that names a common client must not have every new customer asked to verify."""
    clock = Clock()
    known = Found(honest=tuple(f"good-{n:02}" for n in range(n_carriers)), reviewed=())
    with workspace(tmp_path / "w", known) as opened:
        inbox = Inbox(opened.state, sharing(opened).guard, {"ja4": lambda value: COMMON["tools"]})
        extension = {INDICATOR: {"extension_type": "property-extension", "ja4": [CLIENT]}}
        inbox.receive([indicator(random.Random(1), extensions=extension)], peer="lab-b", channel="taxii", at=clock())
        _as_kind(opened, "tools")
        maker = responder(opened, clock)
        maker.apply(policy(VERIFY), author="ana")
        assert served(maker, clock).decide(DecisionRequest("new", {"tools": [COMMON["tools"]]})).action is action


def _as_kind(opened: Workspace, kind: str) -> None:
    """Let the stored indicators name tokens of the kind that everybody in the world carries."""
    with opened.state.writing() as connection:
        connection.execute(sa.update(STORED["indicators"]).values(token_kind=kind))


def test_an_own_campaign_is_recognised_before_what_a_peer_names() -> None:
    tokens = TOKENS | {("address", 70): PEER_INDICATORS, ("tools", 71): PEER_INDICATORS}
    snapshot = made(replace(CONTENTS, decisions=(UNKNOWN, ASKED, PEERS), tokens=tokens))
    both = snapshot.decide(DecisionRequest("new", {"skeleton": [1], "address": [70], "tools": [71]}))
    alone = snapshot.decide(DecisionRequest("new", {"address": [70]}))
    assert (both.decision_id, alone.decision_id) == ("d-4", "d-9")


def test_a_decision_in_shadow_for_peers_is_told_and_changes_nothing() -> None:
    shadow = replace(PEERS, mode=Mode.SHADOW)
    snapshot = made(replace(CONTENTS, decisions=(shadow,), tokens={("address", 70): PEER_INDICATORS}))
    verdict = snapshot.decide(DecisionRequest("new", {"address": [70]}))
    assert (verdict.action, verdict.shadow_action) == (Action.ALLOW, Action.OBSERVE)


@pytest.mark.parametrize(
    "rule",
    [
        'x | first_request = true; peer_indicator = true; tiers = ["review"]; action = "suspend"; min_token_kinds = 2',
        'x | peer_indicator = true; tiers = ["review"]; action = "observe"',
        'x | first_request = true; peer_indicator = true; action = "observe"',
    ],
)
def test_a_policy_that_does_more_on_the_word_of_a_peer_does_not_load(rule: str) -> None:
    with pytest.raises(ConfigError, match=r"peer's word|only to be reviewed"):
        policy(rule)


def test_the_usual_first_request_rule_is_about_own_campaigns_alone(tmp_path: Path) -> None:
    clock = Clock()
    review = 'greet | first_request = true; tiers = ["accuse", "review"]; action = "step_up"; mode = "enforce"'
    with workspace(tmp_path / "w") as opened:
        told(opened, clock)
        maker = responder(opened, clock)
        plan = maker.apply(policy(review), author="ana")
        assert {line.subject_id for line in plan.lines} == {CAMPAIGN}
        assert served(maker, clock).decide(at_address(opened)).action is Action.ALLOW

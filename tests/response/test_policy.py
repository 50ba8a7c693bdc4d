from importlib.resources import files
from pathlib import Path

import pytest

from stillwatch.errors import ConfigError
from stillwatch.model.decision import Mode
from stillwatch.response import Policy
from tests.response.worlds import SLOW, policy

STARTER = (files("stillwatch.response") / "starter.toml").read_text(encoding="utf-8")


def test_the_policy_to_start_from_is_valid_and_touches_nobody() -> None:
    starter = Policy.parse(STARTER, "starter.toml")
    assert {rule.mode for rule in starter.rules} == {Mode.DRY_RUN}


def test_the_digest_is_of_the_text() -> None:
    assert policy(SLOW).digest == policy(SLOW).digest != Policy.parse(policy(SLOW).body + "\n", "x").digest


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ('a | action = "rate_limit"; mode = "enforce"', "requests_per_minute"),
        ('a | action = "observe"; requests_per_minute = 3', "requests_per_minute"),
        ('a | action = "observe"; mode = "canary"', "canary_percent"),
        ('a | action = "observe"; canary_percent = 5', "canary_percent"),
        ('a | action = "suspend"; tiers = ["accuse", "review"]', "observe or step_up at most"),
        ('a | action = "canary"; tiers = ["review"]', "observe or step_up at most"),
        ('a | action = "suspend"; first_request = true', "min_token_kinds = 2"),
        ('a | action = "observe"; first_request = true; accounts = ["x"]', "nobody knows"),
        ('a | action = "observe"; first_request = true; max_q_value = 0.1', "nobody knows"),
        ('a | action = "observe"; tiers = ["none"]', "no finding"),
        ('a | action = "observe"; tiers = []', "tiers"),
        ('a | action = "observe"; expires_after = "soon"', "36h or 14d"),
        ('a | action = "ban"', "'a': Invalid enum value 'ban'"),
        ('a | action = "observe"; tokens = 3', "'a': Object contains unknown field `tokens`"),
        ('a | action = "observe"; min_token_kinds = 0', "'a'"),
        ('Big Name | action = "observe"', "'Big Name'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_name_with_what_to_do(rule: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        policy(rule)
    message = str(refused.value)
    assert message.startswith("test.toml: rule ")
    assert says in message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("rules = 3", "Expected `array`"),
        ("", "rules"),
        ("not toml", "is not valid TOML"),
        ('[[rules]]\nname = "a"\naction = "observe"\n[limits]\nmax_share_per_hour = 2', "<= 1"),
        ('[[rules]]\nname = "a"\naction = "observe"\n[limits]\nsnapshot_valid_for = "1w"', "snapshot_valid_for"),
        ('[[rules]]\naction = "observe"', "rule number 1"),
    ],
)
def test_a_document_that_cannot_be_is_refused_with_its_name(body: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^p\.toml") as refused:
        Policy.parse(body, "p.toml")
    assert says in str(refused.value)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="another rule has this name"):
        policy('a | action = "observe"', 'a | action = "step_up"')


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stillwatch respond policy"):
        Policy.read(tmp_path / "none.toml")

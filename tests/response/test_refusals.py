"""The lists that gateways keep for the time when nobody answers: who is on them, in each gateway's words."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.model.decision import Mode
from stillwatch.response import Contents, Gateway, Snapshot, build, refusals
from tests.response.test_snapshot import ASKED, SLOWED, SUSPENDED, UNKNOWN, about
from tests.response.worlds import NOON, Clock

HEADER = "x-account"


def written(*accounts: str, gateway: Gateway) -> str:
    return refusals(accounts, gateway, account_header=HEADER).decode()


def denied(document: str) -> list[str]:
    """The accounts that Envoy's matcher denies."""
    (resource,) = json.loads(document)["resources"]
    outer = resource["typed_config"]["matcher"]["matcher_tree"]["exact_match_map"]["map"]
    assert list(outer) == ["true"]
    tree = outer["true"]["matcher"].get("matcher_tree")
    return [] if tree is None else list(tree["exact_match_map"]["map"])


def test_those_are_listed_who_are_suspended_now_from_every_model() -> None:
    clock = Clock()
    others = (SLOWED, UNKNOWN, ASKED, replace(SUSPENDED, account_id="shadow", mode=Mode.SHADOW),
              replace(SUSPENDED, account_id="model", models=("m-1",)))  # fmt: skip
    served = about(*others, SUSPENDED, replace(SUSPENDED, account_id="also"), clock=clock)
    assert served.suspended() == ["also", "bad"]
    clock.advance(days=15)
    assert served.suspended() == []


def test_nobody_is_listed_under_the_kill_switch_nor_who_is_exempt() -> None:
    def listed(contents: Contents) -> list[str]:
        return Snapshot(
            build(contents, created_at=NOON, expires_at=NOON + timedelta(days=1)), clock=Clock().micros
        ).suspended()

    contents = Contents(decisions=(SUSPENDED,))
    assert listed(contents) == ["bad"]
    assert listed(replace(contents, is_killed=True)) == []
    assert listed(replace(contents, exempt=["bad"])) == []
    assert listed(Contents()) == []


@pytest.mark.parametrize("gateway", [Gateway.TEXT, Gateway.NGINX])
def test_an_id_that_is_more_than_a_word_is_in_no_plain_list(gateway: Gateway) -> None:
    hostile = ('a" 1; } server {', "a\nb", "", "~a", "a b", "\\a", "a$b", "\u202ea", "-a", "#a")
    assert written(*hostile, gateway=gateway) == ""
    assert written("good", *hostile, gateway=gateway) == written("good", gateway=gateway)


def test_nginx_matches_the_very_id() -> None:
    (line,) = written("a.b+c", gateway=Gateway.NGINX).splitlines()
    expression = re.fullmatch(r'"~(.*)" 1;', line)
    assert expression is not None
    assert [bool(re.search(expression[1], name)) for name in ("a.b+c", "A.b+c", "axb+c", "xa.b+c", "a.b+cc")] == [
        True, False, False, False, False,
    ]  # fmt: skip


def test_text_has_an_account_a_line() -> None:
    assert written("bad", "acct-1", gateway=Gateway.TEXT) == "bad\nacct-1\n"


@given(st.lists(st.text(), unique=True, max_size=5))
def test_envoy_denies_exactly_the_listed(accounts: list[str]) -> None:
    assert denied(written(*accounts, gateway=Gateway.ENVOY)) == accounts

"""What is new about campaigns is said once, and only what is new."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns import Change, ChangeKind, Settings, compare, count_successors
from stillwatch.model.tables import CAMPAIGN_MEMBERS, CAMPAIGNS
from stillwatch.model.tier import Tier
from stillwatch.model.watched import WatchedCampaign

AT = datetime(2026, 5, 10, tzinfo=UTC)
SETTINGS = Settings()


def rows(*campaigns: dict[str, object]) -> pa.Table:
    usual: dict[str, object] = {
        "run_id": "r", "campaign_id": "c-1", "tier": "accuse", "n_accounts": 100, "n_exchanges": 1, "input_tokens": 1,
        "output_tokens": 1, "first_seen_at": AT - timedelta(days=9), "last_seen_at": AT - timedelta(hours=1),
        "capabilities": ["reasoning"], "signals": ["pivot"], "signal_p_values": [0.2], "signal_contributions": [1.0],
        "token_kinds": ["system"], "nearest_lookalike": "class", "margin": 1.0, "score": 9.0, "baseline": 1.0,
        "p_value": 1e-4, "q_value": 0.01, "calibration": "shipped", "calibration_id": "k", "best_group_id": "g",
        "n_groups": 1,
    }  # fmt: skip
    return pa.Table.from_pylist([usual | campaign for campaign in campaigns], schema=CAMPAIGNS.schema)


class Told:
    """What was said so far: one run after the other."""

    def __init__(self) -> None:
        self.known: dict[str, WatchedCampaign] = {}

    def hear(
        self, found: pa.Table, *, at: datetime = AT, successors: dict[str, int] | None = None
    ) -> tuple[Change, ...]:
        done = compare(self.known.values(), found, successors or {}, at=at, settings=SETTINGS)
        self.known |= {campaign.campaign_id: campaign for campaign in done.campaigns}
        return done.changes


def kinds(changes: tuple[Change, ...]) -> list[ChangeKind]:
    return [change.kind for change in changes]


def test_a_campaign_is_announced_once_by_its_tier() -> None:
    told = Told()
    found = rows({}, {"campaign_id": "c-2", "tier": "review"})
    assert kinds(told.hear(found)) == [ChangeKind.ALARM, ChangeKind.REVIEW]
    assert told.hear(found) == ()


def test_a_reviewed_campaign_that_is_accused_is_an_alarm_and_its_fall_a_change() -> None:
    told = Told()
    told.hear(rows({"tier": "review"}))
    assert kinds(told.hear(rows({}))) == [ChangeKind.ALARM]
    assert kinds(told.hear(rows({"tier": "review"}))) == [ChangeKind.CHANGED]
    assert kinds(told.hear(rows({}))) == [ChangeKind.CHANGED], "it was accused before"


def test_growth_is_counted_from_its_last_announcement() -> None:
    told = Told()
    told.hear(rows({}))
    assert told.hear(rows({"n_accounts": 124})) == ()
    [grown] = told.hear(rows({"n_accounts": 126}))
    assert (grown.kind, grown.n_before, grown.n_new) == (ChangeKind.GROWTH, 100, 26)
    assert told.hear(rows({"n_accounts": 150})) == ()


def test_a_turn_to_a_new_model_is_told_once_and_only_where_it_is_rare() -> None:
    told = Told()
    told.hear(rows({}))
    turned = rows({"signal_p_values": [0.001]})
    assert kinds(told.hear(turned)) == [ChangeKind.PIVOT]
    assert told.hear(turned) == ()


def test_another_capability_is_a_change() -> None:
    told = Told()
    told.hear(rows({}))
    [change] = told.hear(rows({"capabilities": ["coding", "reasoning"]}))
    assert (change.kind, "coding" in change.why) == (ChangeKind.CHANGED, True)


def test_successors_are_told_from_a_few_on() -> None:
    told = Told()
    told.hear(rows({}))
    assert told.hear(rows({}), successors={"c-1": 2}) == ()
    [change] = told.hear(rows({}), successors={"c-1": 3})
    assert (change.kind, change.n_new) == (ChangeKind.SUCCESSORS, 3)


def test_a_campaign_that_is_lost_is_a_change_and_one_that_is_silent_has_ended() -> None:
    told = Told()
    told.hear(rows({}))
    assert kinds(told.hear(rows())) == [ChangeKind.CHANGED]
    assert told.hear(rows()) == ()
    assert kinds(told.hear(rows(), at=AT + timedelta(days=3))) == [ChangeKind.ENDED]
    assert told.hear(rows(), at=AT + timedelta(days=4)) == ()


def test_a_silent_campaign_that_a_run_still_finds_has_ended_and_its_return_is_an_alarm() -> None:
    told = Told()
    told.hear(rows({}))
    later = AT + timedelta(days=3)
    assert kinds(told.hear(rows({}), at=later)) == [ChangeKind.ENDED]
    assert told.hear(rows({}), at=later) == ()
    [change] = told.hear(rows({"last_seen_at": later}), at=later)
    assert (change.kind, change.why) == (ChangeKind.ALARM, "it came back")


def test_old_history_is_no_news() -> None:
    assert Told().hear(rows({"last_seen_at": AT - timedelta(days=30)})) == ()


campaigns = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(["accuse", "review"]), "n_accounts": st.integers(5, 500),
        "last_seen_at": st.integers(0, 200).map(lambda hours: AT - timedelta(hours=hours)),
        "capabilities": st.lists(st.sampled_from(["reasoning", "coding"]), unique=True),
        "signal_p_values": st.sampled_from([[0.001], [0.4]]),
    }
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from(["c-1", "c-2", "c-3"]), campaigns), min_size=1, max_size=6))
def test_the_same_run_twice_says_nothing_new_whatever_came_before(
    runs: list[dict[str, dict[str, object]]],
) -> None:
    told = Told()
    for run in runs:
        found = rows(*({"campaign_id": name} | values for name, values in run.items()))
        told.hear(found)
        assert told.hear(found) == ()


@given(st.lists(campaigns, min_size=1, max_size=6))
def test_no_campaign_is_remembered_that_was_never_found(runs: list[dict[str, object]]) -> None:
    told = Told()
    for run in runs:
        told.hear(rows(run))
        assert set(told.known) <= {"c-1"}
        assert all(campaign.tier in Tier for campaign in told.known.values())


def members(*onsets: tuple[str, int]) -> pa.Table:
    found = [
        {
            "run_id": "r", "campaign_id": "c-1", "account_id": name, "token_kind": "system", "token": 1, "n": 1,
            "first_seen_at": AT + timedelta(hours=hour), "last_seen_at": AT + timedelta(hours=hour),
        }
        for name, hour in onsets
    ]  # fmt: skip
    return pa.Table.from_pylist(found, schema=CAMPAIGN_MEMBERS.schema)


def stopped(*moments: tuple[str, int]) -> pa.Table:
    schema = pa.schema([("account_id", pa.string()), ("at", pa.timestamp("us", "UTC"))])
    return pa.Table.from_pylist(
        [{"account_id": name, "at": AT + timedelta(hours=hour)} for name, hour in moments], schema=schema
    )


def test_an_account_that_begins_after_another_was_suspended_is_a_successor() -> None:
    before = members(("a", 0), ("b", 0))
    after = members(("a", 0), ("b", 0), ("early", 1), ("late", 3), ("later", 4))
    assert count_successors(before, after, stopped(("a", 2))) == {"c-1": 2}


def test_who_was_there_before_or_belongs_elsewhere_is_no_successor() -> None:
    before = members(("a", 0), ("late", 3))
    assert count_successors(before, before, stopped(("a", 2))) == {}
    assert count_successors(before, members(("a", 0), ("new", 5)), stopped(("stranger", 2))) == {}
    assert count_successors(members(), members(("a", 0), ("new", 5)), stopped()) == {}


def test_a_suspended_member_that_the_run_no_longer_has_still_opens_the_way() -> None:
    assert count_successors(members(("a", 0)), members(("new", 5)), stopped(("a", 2))) == {"c-1": 1}

"""What is counted as taken, exchange by exchange, on each engine."""

from dataclasses import replace

import pytest

from stillwatch.engines import Engine
from stillwatch.exposure import Settings
from tests.exposure.worlds import (
    ALARM,
    BUNDLE,
    EXIT,
    POPULAR,
    SKELETON,
    SYSTEM,
    Case,
    Sent,
    taken,
)
from tests.features.worlds import START

CORE = [taken(account) for account in "abc"]


def test_only_exchanges_inside_of_slices_count_not_whole_accounts(engine: Engine) -> None:
    total = Case([*CORE, Sent("a"), Sent("a", carries={"skeleton_hash": 99})]).total(engine)
    assert total["exchanges"] == total["exchanges_low"] == 3
    assert total["output_tokens"] == 15
    assert total["input_tokens"] == 30


def test_a_shingle_flags_what_it_occurs_in(engine: Engine) -> None:
    sent = [Sent(account, carries={"shingles": [3, BUNDLE]}) for account in "abc"]
    assert Case(sent).total(engine)["exchanges"] == 3


def test_a_borrowed_token_is_not_the_campaigns_own(engine: Engine) -> None:
    honest = [Sent(f"honest-{n}", carries={"system_hash": POPULAR}) for n in range(9)]
    borrowed = [Sent(account, 13.0, {"system_hash": POPULAR}) for account in "abc"]
    case = Case([*CORE, *borrowed, *honest], tokens=(("skeleton", SKELETON), ("system", POPULAR)))
    assert case.total(engine)["exchanges"] == 3


def test_a_token_that_few_of_the_core_send_does_not_hold_up_the_low_end(engine: Engine) -> None:
    case = Case([*CORE, Sent("a", 13.0, {"system_hash": SYSTEM})])
    rows = case.exposed(engine, Settings(min_core_share=0.5))["exposures"].to_pylist()
    [total] = [row for row in rows if row["capability"] == "all"]
    assert (total["exchanges_low"], total["exchanges"]) == (3, 4)


def test_others_who_send_the_campaigns_own_token_widen_only_the_upper_end(engine: Engine) -> None:
    total = Case([*CORE, taken("stranger")]).total(engine)
    assert (total["exchanges_low"], total["exchanges"], total["exchanges_high"]) == (3, 3, 4)


def test_members_under_review_widen_only_the_upper_end_of_a_campaign_that_accuses(engine: Engine) -> None:
    case = Case([*CORE, taken("doubtful")], findings=dict.fromkeys("abc", "accuse") | {"doubtful": "review"})
    total = case.total(engine)
    assert (total["exchanges_low"], total["exchanges"], total["exchanges_high"]) == (3, 3, 4)


def test_a_campaign_under_review_rests_on_its_members_under_review(engine: Engine) -> None:
    case = Case(CORE, findings=dict.fromkeys("abc", "review"), campaign_tier="review", q_value=0.5)
    total = case.total(engine)
    assert total["exchanges"] == 3
    assert total["exchanges_low"] == 0
    assert total["alarm_at"] is None
    assert total["n_before_alarm"] == 3


def test_a_member_of_whom_only_the_network_is_known_counts_from_nothing_to_the_whole_account(engine: Engine) -> None:
    sent = [Sent(account, columns={"client_address": EXIT}) for account in "abc"] + [Sent("a", 13.0)]
    total = Case(sent, tokens=(("address", EXIT),)).total(engine)
    assert (total["exchanges_low"], total["exchanges"], total["exchanges_high"]) == (0, 3, 4)
    assert not total["is_bounded_by_slices"]


def test_an_address_adds_nothing_to_a_member_whose_prompts_are_known(engine: Engine) -> None:
    sent = [*CORE, Sent("a", 13.0, columns={"client_address": EXIT})]
    total = Case(sent, tokens=(("skeleton", SKELETON), ("address", EXIT))).total(engine)
    assert total["exchanges"] == 3


def test_refused_failed_and_repeated_answers_are_not_useful(engine: Engine) -> None:
    same = {"skeleton_hash": SKELETON, "prompt_hash": 7}
    sent = [
        *CORE,
        taken("a", 13.0, status="blocked"),
        replace(taken("a", 14.0), record={"finish_reasons": ["content_filter"]}),
        taken("a", 15.0, status="error"),
        taken("a", 16.0, output_tokens=0),
        Sent("b", 17.0, same),
        Sent("c", 18.0, same),
    ]
    total = Case(sent).total(engine)
    assert total["exchanges"] == 9
    assert (total["n_refused"], total["n_failed"], total["n_repeats"]) == (2, 2, 1)
    assert total["useful_exchanges"] == 4
    assert total["useful_output_tokens"] == 20


def test_an_answer_without_a_token_count_is_taken_as_useful(engine: Engine) -> None:
    total = Case([taken(account, output_tokens=None) for account in "abc"]).total(engine)
    assert total["useful_exchanges"] == 3
    assert total["output_tokens"] == 0


def test_reasoning_is_a_trace_whether_asked_for_or_reported(engine: Engine) -> None:
    asked = Sent("a", carries={"skeleton_hash": SKELETON, "asks_reasoning": True})
    reported = replace(taken("b"), record={"reasoning_output_tokens": 9})
    total = Case([asked, reported, taken("c")]).total(engine)
    assert (total["n_traces"], total["trace_tokens"]) == (2, 10)


def test_coverage_counts_each_cell_on_the_first_day_it_is_reached(engine: Engine) -> None:
    def at(account: str, hours: float, cell: int) -> Sent:
        return Sent(account, hours, {"skeleton_hash": SKELETON, "micro_cell": cell})

    sent = [at("a", 1, 1), at("b", 2, 1), at("c", 30, 2), at("c", 31, 1), Sent("honest", 5, {"micro_cell": 3})]
    total = Case([*sent, Sent("honest", 6, {"micro_cell": 4})]).total(engine)
    assert total["n_cells"] == 4
    assert total["n_cells_covered"] == 2
    assert total["coverage_by_day"] == [0.25, 0.5, 0.5]


def test_what_came_before_the_first_accusation_is_told_from_what_came_after(engine: Engine) -> None:
    total = Case([*CORE, taken("a", 47.9), taken("a", 48.0)]).total(engine)
    assert total["alarm_at"] == ALARM
    assert total["n_before_alarm"] == 4
    assert total["output_tokens_before_alarm"] == 20


def test_a_capability_row_holds_its_own_and_prompts_without_a_sketch_are_unknown(engine: Engine) -> None:
    sent = [*CORE, Sent("a", 13.0, {"skeleton_hash": SKELETON, "capability": 2}), Sent("a", 14.0, {"capability": None})]
    rows = {row["capability"]: row for row in Case(sent).exposed(engine)["exposures"].to_pylist()}
    assert {name: row["exchanges"] for name, row in rows.items()} == {
        "all": 4, "software_engineering": 3, "long_horizon_planning": 1, "unknown": 0,
    }  # fmt: skip


def test_what_slices_miss_is_estimated_from_two_kinds_of_evidence(engine: Engine) -> None:
    both = {"skeleton_hash": SKELETON, "system_hash": SYSTEM}
    sent = [Sent(account, hour, both) for account in "abc" for hour in range(8)]
    sent += [Sent("a", 9 + n / 10, {"skeleton_hash": SKELETON}) for n in range(8)]
    sent += [Sent("b", 9 + n / 10, {"system_hash": SYSTEM}) for n in range(8)]
    sent += [Sent("c", 9 + n / 10) for n in range(40)]
    total = Case(sent).total(engine)
    assert total["exchanges"] == 40
    assert 42 < total["exchanges_high"] < 60
    assert total["is_bounded_by_slices"]


def test_a_campaign_that_turns_to_a_new_model_at_once_is_told(engine: Engine) -> None:
    old = [Sent(f"honest-{n}", 1.0, columns={"request_model": "old"}) for n in range(6)]
    later = [Sent(f"honest-{n}", 26.0, columns={"request_model": "new" if n < 3 else "old"}) for n in range(6)]
    core = [taken(account, 25.0, request_model="new") for account in "abc"] + [taken("a", 27.0, request_model="old")]
    rows = Case([*old, *later, *core]).exposed(engine, Settings(min_testers=3, history_days=1))["exposure_models"]
    by_model = {row["model"]: row for row in rows.to_pylist()}
    assert by_model["old"]["released_on"] is None
    new = by_model["new"]
    assert (new["n_first_days"], new["n_first_days_any"]) == (3, 4)
    assert new["released_on"] == (START.date().replace(day=START.day + 1))
    assert new["others_share"] == pytest.approx(0.5)


def test_a_run_without_campaigns_took_nothing(engine: Engine) -> None:
    made = Case([Sent("honest")], findings={}).exposed(engine)
    assert {name: rows.num_rows for name, rows in made.items()} == dict.fromkeys(made, 0)

"""The suite `framing`: who is framed, and how labels are poisoned."""

from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pytest

from stillwatch.errors import UsageError
from stillwatch.evaluate import framing
from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.worlds import Proposed, Scene
from stillwatch.model.window import Window
from stillwatch.scoring.refit import JUDGED_CLASS

HONEST, OWN = 7, 1


def uses(rows):
    names = ("account_id", "token_kind", "token")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def scene(rows, planted):
    return Scene(
        token_uses=uses(rows),
        account_days=pa.table({}),
        accounts=pa.table({}),
        truth=Truth(
            memberships=pa.table({"account_id": ["h0"], "honest_class": ["class"]}),
            campaigns=pa.table({"account_id": list(planted), "campaign": list(planted.values())}),
            managed=pa.table({"account_id": pa.array([], pa.string())}),
        ),
        window=Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    )


@pytest.fixture
def framed():
    honest = [(f"h{number}", "system", HONEST) for number in range(6)]
    crowd = [(f"k{number}", "system", 8) for number in range(100)]
    few = [("f0", "system", 9), ("f1", "system", 9)]
    own = [("x", "system", OWN), ("y", "system", OWN), ("x", "skeleton", 2), ("f0", "skeleton", 2), ("z", "system", 3)]
    planted = {"x": framing.BORROWING.name, "y": framing.BORROWING.name, "z": framing.HIDING.name}
    return scene(honest + crowd + few + own, planted)


def test_the_victim_is_a_customer_with_several_seats_and_not_a_crowd(framed):
    assert framing.victim_token(framed) == HONEST


def test_a_token_that_a_campaign_uses_already_is_no_victim(framed):
    rows = [*framed.token_uses.to_pylist(), {"account_id": "z", "token_kind": "system", "token": HONEST}]
    with pytest.raises(UsageError, match="5 to 80 adopters"):
        framing.victim_token(scene([tuple(row.values()) for row in rows], {"x": "a", "y": "a", "z": "b"}))


def test_the_borrowing_campaign_sends_the_victims_system_prompt_and_nobody_else_changes(framed):
    before = framed.token_uses.to_pylist()
    after = framing.framed_scene(framed).token_uses.to_pylist()
    changed = [row for row, old in zip(after, before, strict=True) if row != old]
    assert [(row["account_id"], row["token_kind"], row["token"]) for row in changed] == [
        ("x", "system", HONEST),
        ("y", "system", HONEST),
    ]


def test_victims_are_honest_accounts_with_a_token_of_most_of_the_campaign(framed):
    moved = framing.framed_scene(framed)
    assert sorted(framing.victims(moved, framing.BORROWING.name).to_pylist()) == [f"h{number}" for number in range(6)]
    assert framing.victims(framed, framing.BORROWING.name).to_pylist() == []


def proposed(calibration):
    signals = [
        {"group_id": group, "signal": name, "conservative_value": 1.0}
        for group in ("g1", "g2")
        for name in calibration.signals
    ]
    groups = {
        "group_id": ["g1", "g2"], "token_kind": ["system", "system"], "proposal": ["token", "token"],
        "n_accounts": [50, 60], "n_exchanges": [500, 600], "n_tests": [1, 1], "is_whole_popular": [False, False],
        "is_mixed": [False, False],
    }  # fmt: skip
    labels = pa.table({"group_id": ["g1", "g2"], "campaign": [framing.APPEALING.name, None]})
    return Proposed(
        groups=pa.table(groups), signals=pa.Table.from_pylist(signals), labels=labels,
        customers=pa.array([], pa.string()), n_accounts=1_000,
    )  # fmt: skip


def test_successful_appeals_make_the_groups_of_a_campaign_honest_ones(bench):
    fitted = framing.refitted(proposed(bench.calibration), bench, cleared=framing.APPEALING.name)
    judged = [one for one in fitted.lookalikes if one.name == JUDGED_CLASS]
    assert [one.n_groups for one in judged] == [1]


def test_without_appeals_nothing_is_judged_honest(bench):
    fitted = framing.refitted(proposed(bench.calibration), bench, cleared="")
    assert JUDGED_CLASS not in [one.name for one in fitted.lookalikes]


def part(n_framed):
    fates = [Fate(case=case.name, n_accounts=10, n_accused=10, n_flagged=10) for case in framing.CASES]
    fates += [Fate(case=said, n_accounts=40, n_accused=n_framed, n_flagged=40) for said in framing.FRAMED.values()]
    return Part(seed=9001, fates=tuple(fates), n_windows=1)


def test_flagged_adopters_pass_and_one_accused_adopter_fails(bench):
    assert framing.report([part(0)], bench).failures == ()
    assert "1 of 40 adopters of the framework were accused, none may be" in framing.report([part(1)], bench).failures


@pytest.mark.slow
def test_every_world_is_measured(bench, monkeypatch):
    for name in ("HIDING", "BORROWING", "APPEALING", "OPERATOR"):
        monkeypatch.setattr(framing, name, msgspec.structs.replace(getattr(framing, name), n_accounts=20))
    monkeypatch.setattr(framing, "FRAMEWORK_RANK", 2)
    found = framing.measure(9_305, bench.at(alpha=None, n_accounts=500))
    assert {fate.case for fate in found.fates} == {case.name for case in framing.CASES} | set(framing.FRAMED.values())
    victims = next(fate for fate in found.fates if fate.case == framing.FRAMED[framing.BORROWING.name])
    assert victims.n_accounts >= framing.VICTIM_SIZES[0]
    assert found.n_windows == 2

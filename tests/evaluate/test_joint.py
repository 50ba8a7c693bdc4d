"""The suite `joint`: how a world is dealt, and what laboratories learn from each other."""

from datetime import UTC, datetime

import pyarrow as pa

from stillwatch.evaluate import joint
from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.worlds import Scene
from stillwatch.model.window import Window

ACCOUNTS = [f"a{number}" for number in range(60)]
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def scene():
    rows = pa.table({"account_id": ACCOUNTS * 2})
    truth = Truth(
        memberships=pa.table({"account_id": ACCOUNTS, "honest_class": ["ordinary"] * 60}),
        campaigns=pa.table({"account_id": [], "campaign": []}),
        managed=pa.table({"account_id": []}),
    )
    return Scene(rows, rows, rows, truth, WINDOW, rows)


def test_every_account_is_at_one_laboratory_with_all_of_its_rows():
    parts = [joint.dealt(scene(), lab) for lab in range(joint.N_LABS)]
    seen = [set(part.token_uses["account_id"].to_pylist()) for part in parts]
    assert set.union(*seen) == set(ACCOUNTS)
    assert sum(map(len, seen)) == len(ACCOUNTS)
    assert min(map(len, seen)) > 10
    assert all(part.accounts.num_rows == 2 * len(names) for part, names in zip(parts, seen, strict=True))


def test_what_two_hold_is_told_to_both_and_to_nobody_else():
    common = {("system", number) for number in range(4)}
    told = joint.matched([common | {("tools", 1)}, common | {("tools", 2)}, {("tools", 1)}])
    assert told == [common, common, set()]  # the third shares one token with the first, which is too few to reveal


def test_indicators_hold_in_the_window_of_the_run():
    rows = joint.indicators({("system", 5)}, scene()).to_pylist()
    assert [(row["token_kind"], row["token"], row["valid_until"]) for row in rows] == [("system", 5, None)]


def test_more_accusations_together_than_alone_fail_the_suite():
    def part(n_together):
        cases = [*(campaign.name for campaign in joint.CAMPAIGNS), joint.HONEST]
        alone = [Fate(case=f"{case}, alone", n_accounts=9, n_accused=2, n_flagged=3) for case in cases]
        after = [Fate(case=f"{case}, together", n_accounts=9, n_accused=n_together, n_flagged=5) for case in cases]
        return Part(seed=9511, fates=(*alone, *after))

    assert joint.report([part(2)], None).failures == ()
    assert len(joint.report([part(3)], None).failures) == len(joint.CAMPAIGNS) + 1

"""The suite `joint`: how a world is dealt, and what laboratories learn from each other by private matching."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.config import Config
from stillwatch.evaluate import joint
from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.laboratory import compare_all, dealt, laboratories, near_tokens
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.worlds import Judged, Scene
from stillwatch.model.window import Window

ACCOUNTS = [f"a{number}" for number in range(60)]
WINDOW = Window(datetime(2026, 4, 22, tzinfo=UTC), datetime(2026, 6, 6, tzinfo=UTC))
TEXTS = {("skeleton", 900 + number) for number in range(4)}
CARDS = {("payment", 100 + number) for number in range(5)}
NONE = pa.table({"account_id": pa.array([], pa.string())})


def scene():
    n = len(ACCOUNTS)
    accounts = pa.table({"account_id": ACCOUNTS, "payment_fingerprint": range(n), "device_id": [7] * n})
    kinds = ["skeleton", "address"] * (n // 2)
    uses = pa.table({"account_id": ACCOUNTS, "token_kind": kinds, "token": range(n)})
    days = pa.table({"account_id": ACCOUNTS * 2})
    truth = Truth(memberships=NONE, campaigns=NONE, managed=NONE)
    return Scene(uses, days, accounts, truth, WINDOW, days)


def judged(tokens, far=()):
    """A part that was judged: groups of these tokens are near, others are not."""
    every = sorted([*tokens, *far])
    groups = pa.table({
        "group_id": [f"{kind}-{token}" for kind, token in every], "token_kind": [kind for kind, _ in every],
        "token": [token for _, token in every], "n_accounts": [9] * len(every),
    })  # fmt: skip
    is_near = [pair in tokens for pair in every]
    scores = pa.table({"group_id": groups["group_id"], "is_near": is_near})
    return Judged(groups, NONE, NONE, scores, NONE, scene().truth)


def test_every_account_is_at_one_laboratory_with_all_of_its_rows():
    parts = [dealt(scene(), lab, joint.N_LABS, 5) for lab in range(joint.N_LABS)]
    seen = [set(part.token_uses["account_id"].to_pylist()) for part in parts]
    assert set.union(*seen) == set(ACCOUNTS)
    assert sum(map(len, seen)) == len(ACCOUNTS)
    assert min(map(len, seen)) > 10
    assert all(part.account_days.num_rows == 2 * len(names) for part, names in zip(parts, seen, strict=True))


def test_texts_are_equal_everywhere_and_identities_are_pseudonyms_of_each_laboratory():
    one, other = (dealt(scene(), 0, joint.N_LABS, mask) for mask in (1 << 40, 1 << 41))
    is_text = pc.equal(one.token_uses["token_kind"], "skeleton")
    assert one.token_uses.filter(is_text).equals(other.token_uses.filter(is_text))
    hidden = [set(part.token_uses.filter(pc.invert(is_text))["token"].to_pylist()) for part in (one, other)]
    cards = [set(part.accounts["payment_fingerprint"].to_pylist()) for part in (one, other)]
    devices = [set(part.accounts["device_id"].to_pylist()) for part in (one, other)]
    assert all(first.isdisjoint(second) for first, second in (hidden, cards, devices))
    assert len(devices[0]) == 1  # what was shared within a laboratory still is


@pytest.fixture(scope="module")
def compared():
    """Indicators of three laboratories: the first two share texts and cards, the third one text with the first."""
    config = Config()
    with laboratories(scene(), joint.N_LABS, seed=9511) as labs:
        own = [lab.mask for lab in labs]
        masked = [{(kind, token ^ mask) for kind, token in CARDS} for mask in own]
        held = [TEXTS | masked[0], TEXTS | {("system", 1)} | masked[1], {min(TEXTS)}]
        for lab, tokens in zip(labs, held, strict=True):
            lab.hold(judged(tokens, far={("skeleton", 5)}))
        told, done = compare_all(labs, config)
        entries = labs[0].workspace.ledger.entries("match.step")
    return told, masked, done, entries


def test_two_laboratories_learn_texts_and_cards_under_their_own_pseudonyms_and_the_third_nothing(compared):
    told, masked, _, _ = compared
    learned = [{(row["token_kind"], row["token"]) for row in rows.to_pylist()} for rows in told]
    assert learned == [TEXTS | masked[0], TEXTS | masked[1], set()]


def test_every_pair_compares_every_kind_through_the_protocol(compared):
    _, _, done, entries = compared
    assert len(done) == 3 * len(joint.KINDS)
    assert sorted(one.n_revealed for one in done if one.n_revealed) == [len(TEXTS), len(CARDS)]
    assert len(entries) == 2 * 9 + 6 * 6  # two sessions that revealed, six that only counted


def test_what_is_near_is_what_a_run_would_have_stored():
    rows = near_tokens(judged(TEXTS, far={("skeleton", 5)})).to_pylist()
    assert {(row["token_kind"], row["token"]) for row in rows} == TEXTS


def test_more_accusations_together_than_alone_fail_the_suite():
    def part(n_together):
        cases = [*(campaign.name for campaign in joint.CAMPAIGNS), joint.HONEST]
        alone = [Fate(case=f"{case}, alone", n_accounts=9, n_accused=2, n_flagged=3) for case in cases]
        after = [Fate(case=f"{case}, together", n_accounts=9, n_accused=n_together, n_flagged=5) for case in cases]
        return Part(seed=9511, fates=(*alone, *after))

    assert joint.report([part(2)], None).failures == ()
    assert len(joint.report([part(3)], None).failures) == len(joint.CAMPAIGNS) + 1

"""Keyed canaries: keys, plans, the key-rank test and its power."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.errors import ProvenanceError, UsageError
from stillwatch.provenance.canary.carriers import CARRIERS, UNSEEN
from stillwatch.provenance.canary.keyrank import Cells, cell_weights, keyrank, observed_cells, tallied
from stillwatch.provenance.canary.keys import campaign_key, commitment, decoy_keys, keyed_words, master_key
from stillwatch.provenance.canary.marks import Mark, Pairs, mark_keyrank
from stillwatch.provenance.canary.plan import CLASSES, carries, chosen_options, commit_plan, make_plan, suffix
from stillwatch.provenance.canary.power import simulated_power
from stillwatch.provenance.settings import CanarySettings

MASTER = master_key(b"secret of the workspace")
AT = datetime(2026, 5, 1, tzinfo=UTC)
SETTINGS = CanarySettings()


def plan(n_decoys: int = 300, **how):
    return make_plan(["c-1", "c-2", "c-3"], master=MASTER, epoch="2026-05", at=AT, n_decoys=n_decoys, **how)


def cells_of(counts: np.ndarray) -> Cells:
    """Cells from counts, (n_carriers, n_classes, n_options)."""
    n_carriers, n_classes, _ = counts.shape
    return Cells(
        np.concatenate([cell_weights(part) for part in counts]),
        np.repeat(np.arange(n_carriers), n_classes),
        np.tile(np.arange(n_classes), n_carriers),
        int(counts.sum()),
    )


def student_cells(key: bytes | None, following: float, rng: np.random.Generator, n: int = 20) -> Cells:
    counts = np.zeros((len(CARRIERS), len(CLASSES), 8), dtype=np.int64)
    for carrier in range(len(CARRIERS)):
        chosen = chosen_options([key or b"x" * 16], carrier, np.arange(len(CLASSES)), 8)[0]
        for number in range(len(CLASSES)):
            seen = np.where(rng.random(n) < following, chosen[number], rng.integers(8, size=n))
            counts[carrier, number] = np.bincount(seen, minlength=8)
    return cells_of(counts)


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 of 16 bytes with Python's own integers: the slow reference."""
    mask = (1 << 64) - 1
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & mask

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    for word in (*(int.from_bytes(message[i : i + 8], "little") for i in (0, 8)), 16 << 56):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_keyed_words_are_siphash() -> None:
    key, message = bytes(range(16)), bytes(range(16))
    left, right = np.frombuffer(message, dtype="<u8").astype(np.uint64)[:, None]
    published = int.from_bytes(bytes([0xDB, 0x9B, 0xC2, 0x57, 0x7F, 0xCC, 0x2A, 0x3F]), "little")
    assert int(keyed_words([key], left, right)[0, 0]) == siphash(key, message) == published


def test_keys_differ_by_campaign_and_epoch() -> None:
    keys = {campaign_key(MASTER, subject, epoch) for subject in ("a", "b") for epoch in ("1", "2")}
    assert len(keys) == 4


def test_a_plan_holds_no_key() -> None:
    import msgspec

    text = msgspec.json.encode(plan())
    for subject in ("c-1", "c-2", "c-3"):
        key = campaign_key(MASTER, subject, "2026-05")
        assert key not in text
        assert key.hex().encode() not in text


def test_commitments_are_in_the_ledger_before_a_plan_is_used() -> None:
    entries = []

    def append(kind, body):
        entries.append((kind, body))
        return "digest"

    made = plan()
    assert commit_plan(made, append) == "digest"
    ((kind, body),) = entries
    assert kind == "canary_plan"
    assert body["plan_digest"] == made.digest
    assert body["decoy_commitment"] == made.decoy_commitment
    assert {made.campaigns[n].commitment for n in range(3)} == {body[f"key_{n}"] for n in range(3)}


def test_equal_plans_have_equal_digests() -> None:
    assert plan().digest == plan().digest != plan(density=0.3).digest


@pytest.mark.parametrize("how", [{"density": 0.0}, {"control_share": 1.0}])
def test_shares_out_of_range_are_refused(how: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="density"):
        plan(**how)


def test_the_control_arm_never_carries_and_others_do_at_the_density() -> None:
    made = plan(density=0.2, control_share=0.25)
    carried = [[carries(made, MASTER, "c-1", f"a{a}", f"r{a}-{r}") for r in range(60)] for a in range(200)]
    share_of = np.array(carried).mean(axis=1)
    assert 0.15 < np.mean(share_of == 0) < 0.35
    assert share_of[share_of > 0].mean() == pytest.approx(0.2, abs=0.02)


def test_the_suffix_is_the_instruction_of_the_prompt_class() -> None:
    made = plan(density=1.0, control_share=0.0)
    wanted = made.campaigns[1].instructions["software_engineering"]
    assert suffix(made, MASTER, "c-2", "a", "r", "software_engineering") == wanted
    assert suffix(plan(density=1.0, control_share=0.999999), MASTER, "c-2", "a", "r", "other") == ""
    with pytest.raises(UsageError, match="c-9"):
        suffix(made, MASTER, "c-9", "a", "r", "other")


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.name)
def test_each_carrier_has_eight_options_that_differ(carrier) -> None:
    assert len({option.instruction for option in carrier.options}) == len({o.pattern for o in carrier.options}) == 8


@pytest.mark.parametrize("carrier", [carrier for carrier in CARRIERS if carrier.kind == "phrase"], ids=lambda c: c.name)
def test_instructions_quote_the_phrase_as_it_is_written(carrier) -> None:
    assert not [option.instruction for option in carrier.options if "\\" in option.instruction]


def test_options_are_seen_in_answers_that_carry_them() -> None:
    by_name = {carrier.name: carrier for carrier in CARRIERS}
    texts = pa.array(
        ["Of course! Take it.", "It depends. Let me know if that works.", "**In one line.**\nThen more.", "x"]
    )
    assert by_name["opening"].seen(texts).tolist() == [2, UNSEEN, UNSEEN, UNSEEN]
    assert by_name["closing"].seen(texts).tolist() == [UNSEEN, 0, UNSEEN, UNSEEN]
    assert by_name["layout"].seen(texts)[2] == 0


def test_a_student_is_found_and_the_campaign_named() -> None:
    made = plan()
    key = campaign_key(MASTER, "c-2", "2026-05")
    found = keyrank(student_cells(key, 0.3, np.random.default_rng(1)), made, MASTER, settings=SETTINGS)
    assert found.rejects
    assert found.p_value < 1e-6
    rejected = [part.subject for part in found.parts if part.adjusted_p_value <= SETTINGS.alpha]
    assert rejected == ["c-2"]


def test_who_follows_no_key_is_not_flagged_more_often_than_the_level() -> None:
    made = plan()
    rng = np.random.default_rng(2)
    p_values = [keyrank(student_cells(None, 0.0, rng), made, MASTER, settings=SETTINGS).p_value for _ in range(60)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12


def test_a_habit_that_is_the_same_in_every_class_weighs_nothing() -> None:
    counts = np.zeros((1, len(CLASSES), 8), dtype=np.int64)
    counts[:, :, 3] = 25
    assert not cells_of(counts).weights.any()


def test_random_keys_are_uniform_among_decoys() -> None:
    cells = student_cells(None, 0.0, np.random.default_rng(3))
    null = cells.null
    p = np.array([null.at_least(int(score)) for score in cells.scores(decoy_keys(MASTER, "many", 2000))])
    assert 0.005 <= np.mean(p <= 0.01) <= 0.015
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.04)


def test_too_few_cells_are_refused() -> None:
    counts = np.zeros((1, 2, 8), dtype=np.int64)
    counts[0, 0, 1] = counts[0, 1, 2] = 50
    found = keyrank(cells_of(counts), plan(), MASTER, settings=SETTINGS)
    assert any("too few cells" in refusal for refusal in found.refusals)


def test_keys_other_than_the_committed_are_refused() -> None:
    cells = student_cells(None, 0.0, np.random.default_rng(4))
    with pytest.raises(ProvenanceError, match="committed"):
        keyrank(cells, plan(), master_key(b"another secret"), settings=SETTINGS)


def test_cells_of_texts_count_what_shows() -> None:
    texts = pa.array(["Sure, here.", "Certainly, here.", "Sure thing."])
    seen = CARRIERS[0].seen(texts)
    assert tallied(seen, np.array([0, 1, 0]), 2, 8)[:, :2].tolist() == [[0, 2], [1, 0]]
    assert observed_cells(texts, np.array([0, 1, 0])).n_seen >= 3


def test_commitments_bind_every_key() -> None:
    keys = decoy_keys(MASTER, "p", 5)
    assert commitment(*keys) != commitment(*keys[:-1])


@pytest.mark.slow
def test_ten_percent_following_is_found_with_655_outputs() -> None:
    power = simulated_power(n_options=8, following=0.1, n_outputs=655, n_cells=655, alpha=1e-6, n_runs=200,
                            rng=np.random.default_rng(5))  # fmt: skip
    assert power >= 0.85


def test_power_rises_with_following() -> None:
    weak, strong = (
        simulated_power(n_options=8, following=share, n_outputs=300, n_cells=48, alpha=1e-3, n_runs=20,
                        rng=np.random.default_rng(6)) for share in (0.02, 0.3)
    )  # fmt: skip
    assert weak < 0.3 < 0.9 < strong


def test_a_mark_raises_green_tokens_alone() -> None:
    mark = Mark(b"k" * 16)
    bias = mark.logit_bias(7, 1000)
    assert set(np.unique(bias)) == {0.0, 2.0}
    assert np.mean(bias > 0) == pytest.approx(0.25, abs=0.05)


def test_repeating_one_pair_is_no_evidence_for_a_key() -> None:
    mark = Mark(b"k" * 16)
    previous, token = np.arange(500), np.arange(500) + 1
    place = int(np.flatnonzero(mark.is_green(previous, token))[0])
    answer = np.tile([place, place + 1], 2000)
    found = mark_keyrank(Pairs.of([answer]), {"c": mark}, [], settings=SETTINGS)
    assert found.p_value > 1e-3

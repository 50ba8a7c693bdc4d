"""Twins: who gets one, what is refused, and the sign test."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.provenance.settings import TwinSettings
from stillwatch.provenance.twins.continuation import PREFIXES, continuation_gaps, continuation_prompts
from stillwatch.provenance.twins.prompts import distinct_prompts
from stillwatch.provenance.twins.run import log_probability_gaps, overlap_gaps, twin_sign
from stillwatch.provenance.twins.sampler import Served, Twin, is_drawn, make_twins, seal_twins, seals_digest

SETTINGS = TwinSettings()
KEY = b"k" * 32


def served(number: int, temperature: float = 0.7) -> Served:
    return Served(f"call-{number}", f"prompt {number}", f"answer {number}", "model-1", temperature, 100)


def pairs(n: int, temperature: float = 0.7) -> list[Twin]:
    return [Twin(f"c{i}", f"question number {i} about {i * 7}", f"s{i} a b c", f"t{i} d e f", "m", temperature)
            for i in range(n)]  # fmt: skip


def found(gaps: np.ndarray, twins: list[Twin] | None = None):
    return twin_sign(twins or pairs(gaps.size), gaps, metric="logprob", settings=SETTINGS, rng=np.random.default_rng(1))


def test_the_draw_is_of_the_asked_share_and_always_the_same() -> None:
    drawn = [is_drawn(KEY, f"call-{n}", 0.01) for n in range(50_000)]
    assert 400 <= sum(drawn) <= 600
    assert drawn == [is_drawn(KEY, f"call-{n}", 0.01) for n in range(50_000)]


def test_a_drawn_exchange_gets_a_twin() -> None:
    twins, refused = make_twins([served(1)], key=KEY, share=1.0, resample=lambda call: ("another", call.model))
    assert (twins[0].served, twins[0].twin, refused) == ("answer 1", "another", [])


def test_temperature_zero_is_refused_without_asking() -> None:
    def never(call: Served) -> tuple[str, str]:
        raise AssertionError

    twins, refused = make_twins([served(1, 0.0)], key=KEY, share=1.0, resample=never)
    assert not twins
    assert "temperature 0" in refused[0].reason


def test_a_snapshot_that_is_gone_is_refused() -> None:
    twins, refused = make_twins([served(1)], key=KEY, share=1.0, resample=lambda call: ("x", "model-2"))
    assert not twins
    assert "gone" in refused[0].reason


def test_the_seal_does_not_say_which_answer_was_served() -> None:
    one = Twin("c", "p", "a", "b", "m", 1.0)
    other = Twin("c", "p", "b", "a", "m", 1.0)
    assert one.seal == other.seal != Twin("c", "p", "a", "x", "m", 1.0).seal


def test_the_ledger_gets_the_digest_of_all_seals_and_no_text() -> None:
    entries = []
    seal_twins(pairs(3), lambda kind, body: entries.append((kind, body)) or "d")
    assert entries == [("twins_sealed", {"n_twins": 3, "digest": seals_digest(pairs(3))})]


def test_a_suspect_that_prefers_served_answers_is_found() -> None:
    gaps = np.where(np.random.default_rng(1).random(400) < 0.7, 1.0, -1.0)
    assert found(gaps).p_value < 1e-6


def test_a_p_value_is_never_zero() -> None:
    assert found(np.ones(1200)).p_value == 1e-300


def test_a_suspect_that_prefers_neither_is_not() -> None:
    assert not found(np.random.default_rng(2).normal(size=400)).rejects


def test_near_duplicate_prompts_count_once() -> None:
    twins = [Twin(f"c{i}", f"please sort this long list of numbers now {'again' if i else ''}", "s", "t", "m", 1.0)
             for i in range(50)]  # fmt: skip
    assert found(np.ones(50), twins).n == 1


def test_short_prompts_that_differ_stay_apart() -> None:
    assert distinct_prompts(pa.array(["hi", "ho", "hi"]), near_duplicate=0.5).tolist() == [0, 1]


def test_temperature_zero_traffic_is_refused() -> None:
    result = found(np.ones(100), pairs(100, temperature=0.0))
    assert result.n == 0
    assert "temperature 0" in result.refusals[0]


def test_few_pairs_are_refused() -> None:
    assert "too few decided pairs" in found(np.ones(10)).refusals[0]


def test_pairs_without_the_suspects_word_are_left_out() -> None:
    twins = pairs(60)
    gaps = log_probability_gaps(twins, {f"c{i}": (-1.0, -2.0) for i in range(40)})
    assert found(gaps, twins).n == 40


def test_overlap_prefers_the_answer_that_is_repeated() -> None:
    twin = Twin("c", "p", "one two three four", "five six seven eight", "m", 1.0)
    assert overlap_gaps([twin], {"c": ["one two three four"]})[0] == 1.0
    assert overlap_gaps([twin], {"c": ["five six seven eight"]})[0] == -1.0
    assert np.isnan(overlap_gaps([twin], {})[0])


def test_permuted_labels_are_flagged_at_the_level() -> None:
    (control,) = found(np.ones(200)).controls
    assert control.n_flagged / control.n == pytest.approx(0.01, abs=0.01)


WORDS = [f"w{n}" for n in range(40)]
LONG = Twin("c", "p", " ".join(WORDS), " ".join(reversed(WORDS)), "m", 1.0)


def test_prefixes_are_asked_of_both_answers_in_a_mixed_order() -> None:
    rows = continuation_prompts([LONG])
    assert {row["prompt_id"] for row in rows} == {f"c/{side}/{n}" for side in ("served", "twin") for n in PREFIXES}
    assert {len(row["prefix"].split()) for row in rows} == set(PREFIXES)
    assert [row["prompt_id"] for row in rows] != sorted(row["prompt_id"] for row in rows)


def test_continuing_the_served_answer_counts_for_it() -> None:
    said = {row["prompt_id"]: ["w14 w15 no"] for row in continuation_prompts([LONG])}
    gap = continuation_gaps([LONG], said)[0]
    assert gap == pytest.approx(2 / len(PREFIXES))
    assert np.isnan(continuation_gaps([LONG], {"c/served/6": ["w6"]})[0])

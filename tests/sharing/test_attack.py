"""What a curious partner with a dictionary of public prompts learns from shared tokens, and what it does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.errors import GuardRefused
from stillwatch.sharing.traits import keyed_sketch
from stillwatch.sketches import prompt_tokens
from tests.sharing.test_partners import Lab, counted, revealed, two_labs

N_GUESSES = 900
"""As many as the policy lets a partner bring beside a small set; see `max_ratio`."""
N_PUBLIC = 6
PRIVATE = [
    f"You are worker {number} of line {number * 7}: restate the puzzle in your own words, solve it twice, compare both "
    f"solutions and give the cleaner one with every step of the derivation, labelled A{number} to Z{number}."
    for number in range(12)
]
"""Templates that stand in no public set."""


@pytest.fixture(scope="module")
def public(shared_data: Path) -> list[str]:
    """Prompts that anybody can download."""
    found = pq.read_table(shared_data / "outputs-alpaca-eval" / "prompts.parquet")
    return list(dict.fromkeys(found["text"].to_pylist()))[:N_GUESSES]


def skeletons(prompts: list[str]) -> list[int]:
    return sorted({prompt_tokens(prompt).skeleton for prompt in prompts})


@contextmanager
def curious(folder: Path, public: list[str], **said: object) -> Iterator[tuple[Lab, Lab]]:
    """A partner whose near tokens are a dictionary, and a laboratory with private templates and a few public ones."""
    mine = skeletons([*PRIVATE, *public[:N_PUBLIC]])
    with two_labs(folder, a=skeletons(public), b=mine, **said) as both:
        yield both


def test_a_dictionary_finds_public_prompts_and_no_private_template(public: list[str], tmp_path: Path) -> None:
    with curious(tmp_path, public) as (attacker, victim):
        revealed(attacker, victim)
        learned = attacker.tokens()
    assert learned == set(skeletons(public[:N_PUBLIC]))
    assert learned.isdisjoint(skeletons(PRIVATE))


def test_without_the_consent_of_a_person_it_learns_a_number(public: list[str], tmp_path: Path) -> None:
    with curious(tmp_path, public) as (attacker, victim):
        session = counted(attacker, victim)
        assert attacker.maker.matches.row(session)["counted"] == str(len(skeletons(public[:N_PUBLIC])))
        assert attacker.tokens() == set()


def test_a_larger_dictionary_is_refused(tmp_path: Path) -> None:
    with (
        two_labs(tmp_path, a=range(5000), b=skeletons(PRIVATE)) as (attacker, victim),
        pytest.raises(GuardRefused, match="dictionary"),
    ):
        counted(attacker, victim)


def test_public_prompts_that_nobody_sent_betray_it(public: list[str], tmp_path: Path) -> None:
    traps = tmp_path / "canaries.txt"
    bait = [prompt for prompt in public[N_PUBLIC:] if "\n" not in prompt][:20]
    traps.write_text("".join(f"skeleton {prompt}\n" for prompt in bait))
    with curious(tmp_path, public, canaries=str(traps)) as (attacker, victim):
        revealed(attacker, victim)
        with pytest.raises(GuardRefused, match="canary"):
            counted(attacker, victim)


def test_a_member_of_the_group_recognises_the_sketch_of_a_public_prompt_and_nobody_else_does(public: list[str]) -> None:
    """Keyed sketches are tested by whoever has the key: that is why only long templates of many accounts leave."""
    key, other = bytes(range(32)), bytes(range(1, 33))
    long = [prompt for prompt in public if len(prompt_tokens(prompt).shingles) >= 8][:50]
    shingles = {prompt: list(prompt_tokens(prompt).shingles) for prompt in [*long, *PRIVATE]}
    sent = {keyed_sketch(shingles[prompt], key): prompt for prompt in (long[0], PRIVATE[0])}
    guessed = {keyed_sketch(shingles[prompt], key): prompt for prompt in long}
    assert {sent[sketch] for sketch in sent.keys() & guessed.keys()} == {long[0]}
    assert sent.keys().isdisjoint(keyed_sketch(shingles[prompt], other) for prompt in long)

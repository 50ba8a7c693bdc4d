import pytest

from stillwatch.guard import pattern
from stillwatch.guard.scan import breaches
from tests.guard.planted import DISGUISES, SECRETS

INNOCENT = [
    "Many accounts share one autonomous system and call around the clock.",
    "Accounts were opened within the same hour and behave alike.",
    "The cluster turned to a new model within a day of its release.",
    "Requests come from AS64500 and from AS64511, see AML.T0008.005.",
    "First seen on 2026-04-22; the same network was active in 2025.",
    "A proxy network that replaces banned accounts at once.",
    "Coverage of topics is even, unlike that of any customer seen before.",
    "Stolen payment cards were used to open accounts.",
    "Cadence is regular: a call every few seconds, day and night.",
    "Signals agree: volumes are alike, hours are alike, contents do not overlap.",
    "Relays at 192.0.2.7 and 198.51.100.9 carried most of it.",
    "The reseller's other traffic looks honest; act on slices, not on accounts.",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_plain_findings_are_not_held_back(text: str) -> None:
    assert breaches(text) == frozenset()


@pytest.mark.parametrize("field_class", SECRETS)
@pytest.mark.parametrize("disguise", range(len(DISGUISES)))
def test_each_kind_of_secret_is_found_in_every_disguise(field_class: str, disguise: int) -> None:
    missed = [text for text in SECRETS[field_class] if not breaches(f"Seen often. {DISGUISES[disguise](text)}")]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "x" * 601,
        "p r i c e of it",
        "pr\u00adice",
        "d1sc0unt granted",
        "".join(chr(0xFF41 + ord(c) - 97) for c in "price"),
        "pri\u0441e",
    ],
)
def test_other_disguises_are_found(text: str) -> None:
    assert breaches(text)


def test_what_is_found_never_quotes_the_text() -> None:
    assert not any("mallory" in what for _, what in breaches("mallory@mail.example pays $4"))


@pytest.mark.parametrize(
    "text",
    [
        "[ipv4-addr:value = '192.0.2.7']",
        "[autonomous-system:number = 64500] FOLLOWEDBY [domain-name:value = 'relay.example']",
        "([ipv4-addr:value = '192.0.2.7' OR ipv6-addr:value = '2001:db8::1']) REPEATS 3 TIMES WITHIN 3600 SECONDS",
        "[llm-prompt-template:sketch = '00112233445566778899aabbccddeeff']".replace(
            "8899aabbccddeeff", ",8899aabbccddeeff"
        ),
    ],
)
def test_patterns_of_listed_paths_pass(text: str) -> None:
    assert pattern.is_allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[file:name = 'x']",
        "[llm-prompt-template:sketch = 'You are a planner']",
        "[llm-prompt-template:text = '00112233445566778899aabbccddeeff']",
        "[user-account:user_id = 'mallory']",
        "[ipv4-addr:value = '192.0.2.7'] /* costs 4 dollars */",
        "[ipv4-addr:value LIKE '%price%']",
        "[ipv4-addr:value = '192.0.2.7'] REPEATS 731 TIMES",
        "[ipv4-addr:value = '192.0.2.7' AND email-addr:value = 'a@b.example']",
        "[ipv4-addr:value = '192.0.2.7\\' OR x']",
        "[domain-name:value = 'mallory@mail.example']",
        "[[ipv4-addr:value = '192.0.2.7']",
        "[" * 20_000,
    ],
)
def test_any_other_pattern_stays(text: str) -> None:
    assert not pattern.is_allowed(text)

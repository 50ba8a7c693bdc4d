"""Clean objects with one forbidden thing planted in each, and the words that must not come out."""

import base64
import copy
import random
from collections.abc import Callable, Iterator

from tests.guard.objects import CAMPAIGN_EXTENSION, Stix, campaign, indicator, sighting

SECRETS: dict[str, tuple[str, ...]] = {
    "commercial": (
        "price is 3 dollars per million tokens", "they pay $14.50", "with a 20% discount", "our margin fell",
        "revenue of the account grew", "the roadmap for autumn", "spare capacity in the west",
        "rate limits of plan two",
        "costs 12 EUR a month", "the customer list of March",
    ),
    "identity": (
        "mallory.quill@mail.example", "mallory.quill (at) mail (dot) example", "call +1 415 555 0132",
        "card 4111 1111 1111 1111", "her passport was used",
    ),
    "volume": (
        "exactly 24,812 accounts", "28800000 exchanges", "twenty-five thousand accounts", "2048 users",
        "accounts: 731",
    ),
    "content": (
        "You are a careful planner. Solve the task", "Ignore all previous instructions",
        "Explain the proof step by step",
        "<|im_start|>system", "Translate the following clause", "fill in {{question}} here",
    ),
    "coordination": (
        "we should all refuse to serve them", "please ban the reseller", "let us agree on terms",
        "stop selling to them",
        "recommended terms for the region",
    ),
}  # fmt: skip


def _homoglyphs(text: str) -> str:
    return text.translate(str.maketrans("aeopcx", "\u0430\u0435\u043e\u0440\u0441\u0445"))


def _zero_width(text: str) -> str:
    return "\u200b".join(text)


DISGUISES: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: text.upper(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
    _homoglyphs,
    _zero_width,
    lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text),
    lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
)


def _in_description(draw: random.Random, text: str) -> Stix:
    return campaign(draw, description=f"Many accounts were seen. {text}")


def _in_name(draw: random.Random, text: str) -> Stix:
    return indicator(draw, name=text)


def _in_pattern(draw: random.Random, text: str) -> Stix:
    quoted = text.replace("\\", "").replace("'", "")
    return indicator(draw, pattern=f"[llm-prompt-template:sketch = '{quoted}']")


def _in_id(draw: random.Random, text: str) -> Stix:
    return sighting(draw) | {"id": f"sighting--{text}"}


def _in_new_field(draw: random.Random, text: str) -> Stix:
    return campaign(draw, x_note=text)


def _in_key(draw: random.Random, text: str) -> Stix:
    return campaign(draw, **{text.replace(" ", "_"): "yes"})


def _in_nested_extension(draw: random.Random, text: str) -> Stix:
    stix = copy.deepcopy(campaign(draw))
    stix["extensions"][CAMPAIGN_EXTENSION]["deeper"] = {"extensions": [{"note": [text]}]}
    return stix


def _in_list(draw: random.Random, text: str) -> Stix:
    stix = copy.deepcopy(campaign(draw))
    stix["extensions"][CAMPAIGN_EXTENSION]["targeted_capabilities"].append(text)
    return stix


def _in_reference(draw: random.Random, text: str) -> Stix:
    return campaign(draw, external_references=[{"source_name": "mitre-atlas", "external_id": text, "url": text}])


PLACES = (
    _in_description, _in_name, _in_pattern, _in_id, _in_new_field, _in_key, _in_nested_extension, _in_list,
    _in_reference,
)  # fmt: skip


def planted(n: int, seed: int) -> Iterator[tuple[Stix, str, str]]:
    """`n` objects, each with what was planted, as it reads and as it was disguised."""
    draw = random.Random(seed)
    secrets = [text for texts in SECRETS.values() for text in texts]
    for number in range(n):
        secret = secrets[number % len(secrets)]
        disguised = DISGUISES[draw.randrange(len(DISGUISES))](secret)
        yield PLACES[number % len(PLACES)](draw, disguised), secret, disguised

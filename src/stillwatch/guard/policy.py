"""The policy: a TOML file of dated legal bases, profiles and field rules. What no rule names is dropped."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from stillwatch.errors import ConfigError, GuardRefused
from stillwatch.guard.scan import breaches
from stillwatch.guard.shapes import NAMES
from stillwatch.guard.tlp import LEAVES_AT_MOST, Tlp


class FieldClass(StrEnum):
    """What a field tells, which decides what may happen to it."""

    TECHNICAL = "technical"
    VOLUME = "volume"
    IDENTITY = "identity"
    CONTENT = "content"
    COMMERCIAL = "commercial"
    COORDINATION = "coordination"


NEVER: Final = frozenset({FieldClass.COMMERCIAL, FieldClass.COORDINATION})
"""Classes that no profile can let through: competitors do not tell each other prices, plans or what to do."""

COMMERCIAL_NAMES: Final = re.compile(
    r"pric|discount|rebate|margin|revenue|invoice|profit|cost|plan$|tariff|capacity|quota|rate_?limit|road_?map|customer"
    r"|contract|market_share|usd|eur$"
)
COORDINATION_NAMES: Final = re.compile(r"recommend|refus|boycott|joint_action|agreed|response_action|requested_action")
CONTENT_NAMES: Final = re.compile(r"prompt(?!-template)|output_text|completion|system_instruction|message|content")
IDENTITY_NAMES: Final = re.compile(r"e_?mail|phone|passport|birth|payment|device|login|display_name|full_name|contact")

Part = Literal[
    "texts", "bundle", "certifications", "figures", "report", "ledger", "accounts", "attribution", "damages"
]  # fmt: skip
"""Of a dossier; `guard.dossier` says what is in each."""

Action = Literal["allow", "band", "pseudonymise", "drop"]


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A legal basis in force from `since` to before the end of `until` (None: no end), as of `checked_on`."""

    id: str
    name: str
    since: date
    checked_on: date
    until: date | None = None
    note: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether the basis is in force at `at`."""
        return self.since <= at.date() and (self.until is None or at.date() <= self.until)


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to each class of field on one kind of way out, in, or through from one peer to others."""

    direction: Literal["out", "in", "through"]
    basis: str
    max_tlp: str
    technical: Literal["allow", "drop"]
    volume: Literal["allow", "band", "drop"]
    identity: Literal["allow", "pseudonymise", "drop"]
    content: Literal["drop"]
    text: Literal["phrases", "scanned", "drop"]
    min_accounts: int
    fallback: str = ""
    delay_days: int = 0
    needs_approver: bool = False
    exact_times: bool = False
    caps: dict[str, int] = {}
    commercial: Literal["drop"] = "drop"
    coordination: Literal["drop"] = "drop"

    @property
    def tlp(self) -> Tlp:
        """The strictest marking that the profile lets through."""
        return Tlp[self.max_tlp.upper().replace("+", "_")]

    @property
    def delay(self) -> timedelta:
        """How long after the last activity volumes may leave."""
        return timedelta(days=self.delay_days)

    def action(self, field_class: FieldClass) -> Action:
        """What happens to fields of a class."""
        if field_class in NEVER:
            return "drop"
        action: Action = getattr(self, field_class.value)
        return action


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of one class and shape."""

    id: str
    field_class: FieldClass = msgspec.field(name="class")
    shape: str
    fields: tuple[str, ...]
    required: bool = False
    supported: bool = False
    as_floor: bool = False
    choices: tuple[str, ...] = ()


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Private matching with peers: what may be compared, and how much one peer may ask."""

    profile: str = "peer"
    technical: tuple[str, ...] = ("skeleton", "system", "tools", "ja4")
    """Token kinds that are compared as hashes which are equal everywhere."""
    identities: tuple[str, ...] = ("address", "payment", "device")
    """Token kinds whose values are opened in the vault; compared only where the profile does not drop identities."""
    least_reveal: Annotated[int, Meta(ge=2)] = 3
    """Fewest hits from which on both may learn which items match; one template brings about three tokens along."""
    max_items: Annotated[int, Meta(ge=1, le=1 << 16)] = 50_000
    max_ratio: Annotated[float, Meta(ge=1)] = 16.0
    """How many times the own set's points the other side's may have: a dictionary is large."""
    max_sessions: Annotated[int, Meta(ge=1)] = 20
    """Sessions with one peer within `days`."""
    max_points: Annotated[int, Meta(ge=16)] = 200_000
    """Points of one peer within `days`; blinded anew each time, so that repeats count again."""
    days: Annotated[int, Meta(ge=1, le=366)] = 30


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parts of a dossier one audience may hold, under which profile."""

    profile: str
    parts: tuple[Part, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    publisher: str
    phrases: tuple[str, ...]
    basis: tuple[Basis, ...]
    profile: dict[str, Profile]
    rule: tuple[Rule, ...]
    matching: Matching = Matching()
    dossier: dict[str, Audience] = {}


@dataclass(frozen=True, slots=True)
class Terms:
    """The profile that is in force at a moment and the legal basis that it stands on."""

    asked: str
    name: str
    profile: Profile
    basis: Basis


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. `digest` is SHA-256 of the file's bytes; it stands in every record of a decision."""

    digest: str
    publisher: str
    phrases: re.Pattern[str]
    bases: dict[str, Basis]
    profiles: dict[str, Profile]
    rules: dict[tuple[str, str], Rule]
    needs: dict[tuple[str, str], tuple[str, ...]]
    matching: Matching
    dossiers: dict[str, Audience]

    def terms(self, name: str, at: datetime) -> Terms:
        """The profile in force when `name` is asked for at `at`: itself, or what it falls back to.

        Raises:
            GuardRefused: there is no such profile, or no legal basis holds along the way.
        """
        current, seen = name, set[str]()
        while current and current not in seen:
            seen.add(current)
            profile = self.profiles.get(current)
            if profile is None:
                break
            if self.bases[profile.basis].holds(at):
                return Terms(name, current, profile, self.bases[profile.basis])
            current = profile.fallback
        raise GuardRefused(
            f"profile {name!r} has no legal basis in force on {at:%Y-%m-%d}; ask counsel and date the policy's bases"
        )

    def rule_for(self, kind: str, path: str) -> Rule | None:
        """The rule of a field; None means that it is dropped."""
        general = re.sub(r"^extensions\.[^.]+\.", "extensions.*.", path)
        for key in ((kind, path), ("*", path), (kind, general), ("*", general)):
            if key in self.rules:
                return self.rules[key]
        return None

    def required(self, kind: str, path: str) -> tuple[str, ...]:
        """Names without which the mapping at `path` (empty: the object) does not stand."""
        return (*self.needs.get((kind, path), ()), *self.needs.get(("*", path), ()))

    def expired(self, at: datetime) -> list[Basis]:
        """Bases that a profile stands on and that do not hold at `at`."""
        used = {profile.basis for profile in self.profiles.values()}
        return [basis for key, basis in sorted(self.bases.items()) if key in used and not basis.holds(at)]


def load_policy(text: str) -> Policy:
    """The policy in a TOML text.

    Raises:
        ConfigError: it is not a policy, contradicts itself, or would let a forbidden class through.
    """
    try:
        read = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"the sharing policy is not valid: {error}") from error
    bases = {basis.id: basis for basis in read.basis}
    for problem in (*_profile_problems(read, bases), *_rule_problems(read), *_text_problems(read)):
        raise ConfigError(f"the sharing policy is not valid: {problem}")
    rules: dict[tuple[str, str], Rule] = {}
    needs: dict[tuple[str, str], tuple[str, ...]] = {}
    for field, rule in ((field, listed) for listed in read.rule for field in listed.fields):
        kind, _, path = field.partition(":")
        rules[kind, path] = rule
        if rule.required:
            parent, _, name = path.rpartition(".")
            needs[kind, parent] = (*needs.get((kind, parent), ()), name)
    return Policy(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        publisher=read.publisher,
        phrases=_phrases((*read.phrases, read.publisher)),
        bases=bases,
        profiles=read.profile,
        rules=rules,
        needs=needs,
        matching=read.matching,
        dossiers=read.dossier,
    )


def shipped_policy() -> str:
    """The text of the policy that comes with stillwatch."""
    return (files("stillwatch.guard") / "policy.toml").read_text(encoding="utf-8")


def _profile_problems(read: _File, bases: dict[str, Basis]) -> list[str]:
    found = [f"profile {name!r} names no known basis" for name, p in read.profile.items() if p.basis not in bases]
    if read.matching.profile not in read.profile or read.profile[read.matching.profile].direction != "out":
        found.append(f"matching stands on profile {read.matching.profile!r}, which is no profile for what leaves")
    for name, profile in read.profile.items():
        if profile.fallback and profile.fallback not in read.profile:
            found.append(f"profile {name!r} falls back to one that does not exist")
        if profile.max_tlp not in {level.label for level in Tlp}:
            found.append(f"profile {name!r} has an unknown marking")
        elif profile.tlp > LEAVES_AT_MOST:
            found.append(f"profile {name!r} would let {profile.max_tlp} through; nothing above amber ever leaves")
        if profile.direction != "in" and profile.identity == "allow" and not profile.needs_approver:
            found.append(f"profile {name!r} lets identities through without a named approver")
    for name, audience in read.dossier.items():
        if audience.profile not in read.profile or read.profile[audience.profile].direction != "out":
            found.append(f"dossiers for {name!r} stand on {audience.profile!r}, which is no profile for what leaves")
        elif not read.profile[audience.profile].needs_approver and not {"texts", "bundle"}.issuperset(audience.parts):
            found.append(f"dossiers for {name!r} hold more than texts and bundle, and nobody answers for them")
    return found


def _rule_problems(read: _File) -> list[str]:
    found, seen = [], set[str]()
    for rule in read.rule:
        if rule.shape not in NAMES:
            found.append(f"rule {rule.id!r} has an unknown shape")
        for field in rule.fields:
            name = field.rpartition(":")[2].rpartition(".")[2]
            named = class_by_name(name)
            if ":" not in field or field in seen:
                found.append(f"field {field!r} is not `type:path`, or is named twice")
            if named in NEVER:
                found.append(f"field {field!r} is {named} by its name; no rule can let it through")
            seen.add(field)
    return found


def _text_problems(read: _File) -> list[str]:
    said = (*read.phrases, read.publisher)
    return [
        f"the phrase {text!r} says what no text may say" for text in said if breaches(re.sub(r"\{\w+\}", "x", text))
    ]


def class_by_name(name: str) -> FieldClass | None:
    """The class that a field's own name tells; None when it tells nothing."""
    lowered = name.lower().replace("-", "_")
    for pattern, field_class in (
        (COMMERCIAL_NAMES, FieldClass.COMMERCIAL),
        (COORDINATION_NAMES, FieldClass.COORDINATION),
        (IDENTITY_NAMES, FieldClass.IDENTITY),
        (CONTENT_NAMES, FieldClass.CONTENT),
    ):
        if pattern.search(lowered):
            return field_class
    return None


def _phrases(texts: tuple[str, ...]) -> re.Pattern[str]:
    slots = {r"\{code\}": "[0-9a-f]{8}", r"\{asn\}": "[1-9][0-9]{0,9}"}
    parts = []
    for text in texts:
        escaped = re.escape(text)
        for slot, shape in slots.items():
            escaped = escaped.replace(slot, shape)
        parts.append(escaped)
    return re.compile("|".join(f"(?:{part})" for part in parts))

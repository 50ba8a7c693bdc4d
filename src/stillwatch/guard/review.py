"""The review: objects and a policy in, what may pass and a decision about every single field out. Pure."""

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from stillwatch.guard import pattern
from stillwatch.guard.policy import NEVER, FieldClass, Policy, Rule, Terms, class_by_name
from stillwatch.guard.scan import breaches
from stillwatch.guard.shapes import band, band_floor, has_shape, is_count
from stillwatch.guard.tlp import LEAVES_AT_MOST, MARKING_IDS, Tlp, level_of, marking

Stix = Mapping[str, Any]
Outcome = Literal["allow", "transform", "drop"]

DEEPEST: Final = 12
"""Levels of nesting; the objects that rules name have five."""
STIX_NAMESPACE: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Namespace of ids of observables (STIX 2.1, section 2.9)."""
LEAST_SHINGLES: Final = 64
LEAST_FLAGGED_SHARE: Final = 0.9
"""What has to stand behind a token besides the profile's accounts: shorter templates and shared ones can be guessed."""

_PUBLISHED: Final = {MARKING_IDS[level]: marking(level) for level in Tlp if level <= LEAVES_AT_MOST}
_SAFE_STEP: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")
_TIME_OF_DAY: Final = re.compile(r"T.*Z$")
_GONE: Final = object()


@dataclass(frozen=True, slots=True)
class Support:
    """What stands behind an object: flagged accounts, their share of all accounts with the same trait, and shingles.

    `n_shingles` is None for what is no text.
    """

    n_accounts: int
    flagged_share: float
    n_shingles: int | None = None

    def suffices(self, least_accounts: int) -> bool:
        """Whether enough stands behind the object to name it to others."""
        has_text = self.n_shingles is None or self.n_shingles >= LEAST_SHINGLES
        return self.n_accounts >= least_accounts and self.flagged_share >= LEAST_FLAGGED_SHARE and has_text


@dataclass(frozen=True, slots=True)
class Offer:
    """Objects that somebody wants to pass on, with what stands behind them.

    `support` is by object id; an object that is not in it has none. `active_until` is the last activity that the
    objects tell of; None means that it goes on. `protected` are words that no value may contain, such as account ids.
    """

    objects: tuple[Stix, ...]
    support: Mapping[str, Support] = field(default_factory=dict)
    active_until: datetime | None = None
    protected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What happened to one field, and which rule decided; `path` is empty for the object as a whole."""

    object_no: int
    object_id: str
    path: str
    field_class: FieldClass
    outcome: Outcome
    rule: str


@dataclass(frozen=True, slots=True)
class Review:
    """What a review let through, and every decision that it made. `held_back` are the numbers of dropped objects."""

    terms: Terms
    policy_digest: str
    objects: tuple[Stix, ...]
    decisions: tuple[Decision, ...]
    held_back: tuple[int, ...]

    def counts(self) -> dict[str, int]:
        """Decisions by class, outcome and rule, as `class/outcome/rule`."""
        told = Counter(f"{d.field_class}/{d.outcome}/{d.rule}" for d in self.decisions)
        return dict(sorted(told.items()))


def review(offer: Offer, policy: Policy, terms: Terms, *, at: datetime, pseudonym_key: bytes) -> Review:
    """Decide about every field of every object. Equal arguments give equal results.

    `pseudonym_key` is that of the receiver: the same account has another pseudonym for each.
    """
    examiner = _Examiner(offer, policy, terms, at, pseudonym_key)
    kept = {number: examiner.examine(number, stix) for number, stix in enumerate(offer.objects)}
    found = {number: stix for number, stix in kept.items() if stix is not None}
    _cap(found, terms, examiner)
    _prune(found, offer, examiner)
    objects = tuple(_renamed(stix, examiner.renamed) for stix in found.values())
    held_back = tuple(number for number in kept if number not in found)
    return Review(terms, policy.digest, objects, tuple(examiner.decisions), held_back)


class _Examiner:
    """One review while it goes on."""

    def __init__(self, offer: Offer, policy: Policy, terms: Terms, at: datetime, pseudonym_key: bytes) -> None:
        self.decisions: list[Decision] = []
        self.renamed: dict[str, str] = {}
        self._offer, self._policy, self._terms = offer, policy, terms
        self._key = pseudonym_key
        until = offer.active_until
        self._volumes_due = not terms.profile.delay or (until is not None and at - until >= terms.profile.delay)
        self._number, self._id, self._kind = 0, "", ""

    def examine(self, number: int, stix: Stix) -> dict[str, Any] | None:
        """The object as it may pass; None when it may not."""
        self._number = number
        kind, named = stix.get("type"), stix.get("id")
        self._kind = kind if isinstance(kind, str) else ""
        self._id = named if isinstance(named, str) and has_shape("id", named) else ""
        if stix == _PUBLISHED.get(self._id):
            self.decide("", FieldClass.TECHNICAL, "allow", "published-marking")
            return dict(stix)
        refusal = self._refusal(stix)
        first = len(self.decisions)
        passed = self._walk(stix, "", 0)
        inbound = self._terms.profile.direction == "in"
        if refusal is None and inbound and any(d.field_class in NEVER for d in self.decisions[first:]):
            refusal = "quarantined"
        if refusal is None and passed is not _GONE:
            assert isinstance(passed, dict)
            return passed
        self.decide("", FieldClass.TECHNICAL, "drop", refusal or "incomplete")
        return None

    def decide(self, path: str, field_class: FieldClass, outcome: Outcome, rule: str) -> None:
        """Note a decision about the object that is examined."""
        shown = ".".join(step if _SAFE_STEP.fullmatch(step) and not breaches(step) else "?" for step in path.split("."))
        self.decisions.append(Decision(self._number, self._id, shown if path else "", field_class, outcome, rule))

    def needed(self, kind: str) -> tuple[str, ...]:
        """Names without which an object of a type does not stand."""
        return self._policy.required(kind, "")

    def _refusal(self, stix: Stix) -> str | None:
        """Why the object cannot pass whatever its fields say; None when nothing speaks against it."""
        level = level_of(stix)
        if self._kind == "marking-definition":
            return "unpublished-marking"
        if level is None:
            return "no-marking"
        if level > LEAVES_AT_MOST:
            return "stays-inside"
        if level > self._terms.profile.tlp:
            return "marking-above-profile"
        return None if self._id.startswith(f"{self._kind}--") else "id-of-another-type"

    # -- one field after another --------------------------------------------------------------------------------------

    def _walk(self, value: object, path: str, depth: int) -> object:
        if depth > DEEPEST:
            self.decide(path, FieldClass.CONTENT, "drop", "too-deep")
            return _GONE
        if isinstance(value, Mapping):
            inside = f"{path}." if path else ""
            # NOTE: a name with a point in it could pass for a path; no rule names one.
            steps = {name: f"{inside}{name.replace('.', '?')}" for name in value}
            walked = {name: self._walk(part, steps[name], depth + 1) for name, part in value.items()}
            kept = {name: part for name, part in walked.items() if part is not _GONE}
            is_whole = all(name in kept for name in self._policy.required(self._kind, path))
            return kept if kept and is_whole else _GONE
        if isinstance(value, list | tuple):
            parts = [part for part in (self._walk(part, path, depth + 1) for part in value) if part is not _GONE]
            return parts or _GONE
        return self._leaf(value, path)

    def _leaf(self, value: object, path: str) -> object:
        named = class_by_name(path.rpartition(".")[2])
        rule = self._policy.rule_for(self._kind, path)
        said = None if rule is not None and self._fits(value, rule) else self._breach(value)
        field_class = said or (rule.field_class if rule else None) or named or FieldClass.CONTENT
        if rule is None:
            self.decide(path, said if said in NEVER else named or field_class, "drop", "unlisted")
            return _GONE
        if said in NEVER:
            self.decide(path, field_class, "drop", "never")
            return _GONE
        return self._ruled(value, path, rule)

    def _breach(self, value: object) -> FieldClass | None:
        """The worst that a text says; None for what is no text or harmless."""
        if not isinstance(value, str):
            return None
        found = {FieldClass(name) for name, _ in breaches(value)}
        order = (FieldClass.COMMERCIAL, FieldClass.COORDINATION, FieldClass.IDENTITY, FieldClass.CONTENT)
        return next((field_class for field_class in order if field_class in found), None)

    def _ruled(self, value: object, path: str, rule: Rule) -> object:
        refusal = self._unfit(value, rule)
        action = self._terms.profile.action(rule.field_class)
        if refusal or action == "drop":
            self.decide(path, rule.field_class, "drop", f"{rule.id}:{refusal}" if refusal else rule.id)
            return _GONE
        passed = self._transformed(value, rule, action)
        self.decide(path, rule.field_class, "allow" if passed == value else "transform", rule.id)
        return passed

    def _unfit(self, value: object, rule: Rule) -> str:
        """Why a value cannot pass its rule; empty when it can."""
        profile = self._terms.profile
        may_name = rule.shape == "account" and profile.identity != "drop"
        if isinstance(value, str) and not may_name and self._names_protected(value):
            return "protected"
        support = self._offer.support.get(self._id)
        if rule.supported and profile.min_accounts and (support is None or not support.suffices(profile.min_accounts)):
            return "too-few-accounts"
        if rule.field_class is FieldClass.VOLUME and profile.volume == "band" and not self._volumes_due:
            return "too-recent"
        return "" if self._fits(value, rule) else "shape"

    def _names_protected(self, value: str) -> bool:
        return not self._offer.protected.isdisjoint({value, *re.findall(r"[\w.@+-]+", value)})

    def _fits(self, value: object, rule: Rule) -> bool:
        if rule.shape == "choice":
            return value in rule.choices
        if rule.shape == "count":
            return is_count(value) or (isinstance(value, str) and has_shape("band", value))
        if not isinstance(value, str):
            return rule.shape not in {"text", "pattern", "account"} and has_shape(rule.shape, value)
        if rule.shape == "text":
            return self._fits_text(value)
        if rule.shape == "pattern":
            return pattern.is_allowed(value)
        return 0 < len(value) <= 256 if rule.shape == "account" else has_shape(rule.shape, value)

    def _fits_text(self, value: str) -> bool:
        mode = self._terms.profile.text
        is_phrase = self._policy.phrases.fullmatch(value) is not None
        return mode != "drop" and (is_phrase or (mode == "scanned" and not breaches(value)))

    def _transformed(self, value: object, rule: Rule, action: str) -> object:
        if action == "band" and isinstance(value, int):
            return band_floor(value) if rule.as_floor else band(value)
        if action == "pseudonymise" and rule.shape == "account" and isinstance(value, str):
            return self._pseudonym(value)
        if rule.shape == "time" and isinstance(value, str) and not self._terms.profile.exact_times:
            return _TIME_OF_DAY.sub("T00:00:00Z", value)
        if rule.shape == "share" and isinstance(value, float):
            return float(f"{value:.1g}")
        return value

    def _pseudonym(self, value: str) -> str:
        """What stands for an account at one receiver; the id of the account's object follows it."""
        if has_shape("pseudonym", value):
            return value
        digest = hashlib.blake2b(value.encode(), digest_size=16, key=self._key, person=b"sw/peer/1").hexdigest()
        seed = msgspec.json.encode({"user_id": f"psn-{digest}"}).decode()
        self.renamed[self._id] = f"{self._kind}--{uuid.uuid5(STIX_NAMESPACE, seed)}"
        return f"psn-{digest}"


def _cap(found: dict[int, dict[str, Any]], terms: Terms, examiner: _Examiner) -> None:
    """Hold back objects of a type beyond the profile's cap, so that their number tells nothing."""
    for kind, most in sorted(terms.profile.caps.items()):
        ids = {number: examiner.renamed.get(s["id"], s["id"]) for number, s in found.items() if s["type"] == kind}
        for number in sorted(ids, key=lambda number: ids[number])[most:]:
            _hold_back(found, number, examiner, "cap")


def _prune(found: dict[int, dict[str, Any]], offer: Offer, examiner: _Examiner) -> None:
    """Take out references to objects that were offered and held back, and what does not stand without them."""
    offered = {stix.get("id") for stix in offer.objects if isinstance(stix.get("id"), str)}
    while True:
        missing = offered - {stix["id"] for stix in found.values()}
        n_found = len(found)
        for number, stix in list(found.items()):
            whole = _without(stix, missing, examiner.needed(stix["type"]))
            if whole is None:
                _hold_back(found, number, examiner, "incomplete")
            else:
                found[number] = whole
        if len(found) == n_found:
            return


def _without(stix: dict[str, Any], missing: set[Any], needed: Sequence[str]) -> dict[str, Any] | None:
    """The object without references to missing ones; None when it needs one of them."""
    kept: dict[str, Any] = {}
    for name, value in stix.items():
        if name.endswith("_refs") and isinstance(value, list):
            left = [ref for ref in value if ref not in missing]
            kept |= {name: left} if left else {}
        elif not (name.endswith("_ref") and isinstance(value, str) and value in missing):
            kept[name] = value
    return kept if all(name in kept for name in needed) else None


def _hold_back(found: dict[int, dict[str, Any]], number: int, examiner: _Examiner, rule: str) -> None:
    stix = found.pop(number)
    examiner.decisions.append(Decision(number, stix["id"], "", FieldClass.TECHNICAL, "drop", rule))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The object with ids of pseudonymised ones replaced wherever they stand."""
    if not names:
        return value
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value

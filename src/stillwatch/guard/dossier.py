"""What of a dossier an audience may hold: parts with a class each, let out by the policy and never by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from stillwatch.errors import GuardRefused
from stillwatch.guard.clearance import Guard, Passage
from stillwatch.guard.policy import FieldClass, Policy, Terms
from stillwatch.guard.review import Decision, Review

PARTS: Final[Mapping[str, FieldClass]] = {
    "texts": FieldClass.TECHNICAL,
    "bundle": FieldClass.TECHNICAL,
    "certifications": FieldClass.TECHNICAL,
    "figures": FieldClass.VOLUME,
    "report": FieldClass.VOLUME,
    "ledger": FieldClass.VOLUME,
    "accounts": FieldClass.IDENTITY,
    "attribution": FieldClass.IDENTITY,
    "damages": FieldClass.COMMERCIAL,
}
"""Each part of a dossier and the most telling class in it.

`texts`: method, glossary, verifier. `bundle`: the campaign as STIX, field by field through the guard. `figures`: the
extracts, those about single accounts as leaves. `ledger`: entries about batches and the run; the one that seals is
always there.
"""


@final
@dataclass(frozen=True, slots=True)
class ClearedParts:
    """The parts that an audience may hold, and the record of the decision; empty for an internal dossier."""

    parts: frozenset[str]
    record_id: str
    terms: Terms


def review_parts(audience: str, offered: Sequence[str], policy: Policy, passage: Passage) -> Review:
    """Every offered part with what would happen to it; nothing leaves.

    A part passes when the policy names it for the audience and the profile in force lets its class through as it is;
    damages are the provider's own claim, so they pass to whoever a named person answers for.

    Raises:
        GuardRefused: the policy knows no such audience, or no legal basis holds.
    """
    known = policy.dossiers.get(audience)
    if known is None:
        raise GuardRefused(f"the sharing policy knows no dossiers for {audience!r}: name it under [dossier.{audience}]")
    terms = policy.terms(known.profile, passage.at)
    decisions = []
    for number, part in enumerate(offered):
        field_class = PARTS[part]
        named = part in known.parts
        passes = named and may_pass(part, terms)
        rule = f"dossier-{audience}" if passes else f"dossier-{audience}:{'profile' if named else 'unlisted'}"
        decisions.append(Decision(number, "", part, field_class, "allow" if passes else "drop", rule))
    kept = tuple({"part": decision.path} for decision in decisions if decision.outcome == "allow")
    held_back = tuple(decision.object_no for decision in decisions if decision.outcome == "drop")
    return Review(terms, policy.digest, kept, tuple(decisions), held_back)


def may_pass(part: str, terms: Terms) -> bool:
    """Whether the profile lets a part of a dossier through as it is."""
    field_class = PARTS[part]
    if field_class is FieldClass.COMMERCIAL:
        return terms.profile.needs_approver
    return terms.profile.action(field_class) == "allow"


def clear_parts(audience: str, offered: Sequence[str], guard: Guard, passage: Passage) -> ClearedParts:
    """The parts that may leave, after every decision about them was recorded.

    Raises:
        GuardRefused: no legal basis holds, or the profile needs an approver and none is named.
    """
    examined = review_parts(audience, offered, guard.policy, passage)
    if examined.terms.profile.needs_approver and not (passage.approver or "").strip():
        raise GuardRefused(f"a dossier for {audience} needs an approver: name the person who answers for it")
    record_id = guard.recorded(examined, passage)
    return ClearedParts(frozenset(str(kept["part"]) for kept in examined.objects), record_id, examined.terms)


def preview_rows(review: Review) -> list[dict[str, object]]:
    """What a person reads before a dossier is built: part, class, outcome, rule."""
    return [
        {"part": d.path, "class": d.field_class.value, "outcome": d.outcome, "rule": d.rule} for d in review.decisions
    ]

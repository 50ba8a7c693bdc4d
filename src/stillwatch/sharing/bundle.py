"""A case as STIX 2.1 objects, offered to the guard. Everything is in them that anybody might get: the guard decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from stillwatch.guard import Offer, Support, Tlp
from stillwatch.guard.tlp import MARKING_IDS, marking
from stillwatch.sharing import atlas, extensions
from stillwatch.sharing.case import Case, Trait
from stillwatch.sharing.identity import Ids, observable_id, second, stamp, template_id

RELAYS_LAST: Final = timedelta(days=30)
"""How long an indicator is valid after it was last seen: rented addresses and networks change hands soon."""
TEMPLATES_LAST: Final = timedelta(days=180)

Stix = dict[str, Any]

_OBSERVED: Final = {
    "asn": ("autonomous-system", "number", "shared-network"),
    "ipv4": ("ipv4-addr", "value", "shared-address"),
    "ipv6": ("ipv6-addr", "value", "shared-address"),
    "sketch": (extensions.TEMPLATE_TYPE, "sketch", "prompt-template"),
}
_NAMES: Final = {
    "asn": "Autonomous system from which flagged accounts called",
    "ipv4": "Address from which flagged accounts called",
    "ipv6": "Address from which flagged accounts called",
    "sketch": "Prompt template that flagged accounts share",
}
_TELLS: Final = "Seen at many flagged accounts and few others; not a reason to act on an account by itself."


@dataclass(frozen=True, slots=True)
class Frame:
    """What all objects of one export share: ids, who publishes them, how they are marked, the group's key by name."""

    ids: Ids
    publisher: str
    tlp: Tlp
    key_id: str


def offer_of(case: Case, frame: Frame) -> Offer:
    """Every object about the case, with the accounts that stand behind each."""
    writer = _Writer(case, frame)
    objects = tuple(writer.objects())
    resellers = (trait.value for trait in case.traits if trait.kind == "reseller")
    protected = frozenset((*case.accounts, *resellers))
    return Offer(objects, support=writer.support, active_until=case.last_seen_at, protected=protected)


class _Writer:
    def __init__(self, case: Case, frame: Frame) -> None:
        self._case, self._frame = case, frame
        self._publisher = frame.ids.of("identity", "publisher")
        self._campaign = frame.ids.of("campaign", case.campaign_id)
        self._code = self._campaign.partition("--")[2][:8]
        self.support: dict[str, Support] = {}

    def objects(self) -> Iterator[Stix]:
        yield marking(self._frame.tlp)
        yield self._identity(self._publisher, self._frame.publisher, stamp(self._case.opened_at))
        yield self._identity(extensions.PUBLISHER, "The stillwatch project", extensions.PUBLISHED_AT)
        yield from extensions.definitions(extensions.PUBLISHER, MARKING_IDS[self._frame.tlp])
        yield self._described_campaign()
        yield from self._techniques()
        yield from self._clients()
        yield from self._members()
        for trait in self._case.traits:
            if trait.kind in _OBSERVED:
                yield from self._trait(trait)
            elif trait.kind == "reseller":
                yield from self._reseller(trait)

    # -- frames -------------------------------------------------------------------------------------------------------

    def _domain(self, kind: str, *told: str, **fields: object) -> Stix:
        """A domain or relationship object of the case."""
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": self._frame.ids.of(kind, self._case.campaign_id, *told),
            "created_by_ref": self._publisher,
            "created": stamp(self._case.opened_at),
            "modified": stamp(self._case.as_of),
            "object_marking_refs": [MARKING_IDS[self._frame.tlp]],
            **fields,
        }

    def _edge(self, source: str, kind: str, target: str) -> Stix:
        return self._domain(
            "relationship", source, kind, target, relationship_type=kind, source_ref=source, target_ref=target
        )

    def _observable(self, kind: str, contributing: Stix, **fields: object) -> Stix:
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": (template_id if kind == extensions.TEMPLATE_TYPE else observable_id)(kind, contributing),
            "object_marking_refs": [MARKING_IDS[self._frame.tlp]],
            **contributing,
            **fields,
        }

    def _identity(self, identity_id: str, name: str, created: str) -> Stix:
        return {
            "type": "identity",
            "spec_version": "2.1",
            "id": identity_id,
            "created_by_ref": identity_id,
            "created": created,
            "modified": created,
            "name": name,
            "identity_class": "organization",
            "object_marking_refs": [MARKING_IDS[self._frame.tlp]],
        }

    # -- the campaign -------------------------------------------------------------------------------------------------

    def _described_campaign(self) -> Stix:
        case = self._case
        told = {
            "extension_type": "property-extension",
            "n_accounts": case.n_accounts,
            "n_exchanges": case.n_exchanges,
            "n_input_tokens": case.n_input_tokens,
            "n_output_tokens": case.n_output_tokens,
            "targeted_capabilities": list(case.capabilities),
            "q_value": case.q_value,
            "method": "stillwatch",
            "method_version": case.method_version,
            "calibration": case.calibration,
            "signals": list(case.signals),
            "evidence_root": case.evidence_root,
        }
        return {
            **self._domain("campaign"),
            "id": self._campaign,
            "name": f"Distillation campaign {self._code}",
            "description": "Many accounts, run together, take outputs of a model to train another.",
            "objective": "To train another model on outputs of this one.",
            "first_seen": second(case.first_seen_at),
            "last_seen": second(case.last_seen_at),
            "confidence": round(100 * (1 - case.q_value)),
            "external_references": [{"source_name": "mitre-atlas", "external_id": atlas.CASE_STUDY}],
            "extensions": {extensions.CAMPAIGN: {key: value for key, value in told.items() if value not in ("", [])}},
        }

    def _techniques(self) -> Iterator[Stix]:
        patterns = [self._named("attack-pattern", entry) for entry in atlas.TECHNIQUES]
        actions = [self._named("course-of-action", entry) for entry in atlas.MITIGATIONS]
        yield from (*patterns, *actions)
        yield from (self._edge(self._campaign, "uses", stix["id"]) for stix in patterns)
        extraction = next(
            stix["id"] for stix in patterns if stix["external_references"][0]["external_id"] == "AML.T0024.002"
        )
        yield from (self._edge(stix["id"], "mitigates", extraction) for stix in actions)

    def _named(self, kind: str, entry: atlas.Technique) -> Stix:
        reference = {"source_name": "mitre-atlas", "external_id": entry.atlas_id}
        return self._domain(kind, entry.atlas_id, name=entry.name, external_references=[reference])

    # -- who and by which means ---------------------------------------------------------------------------------------

    def _members(self) -> Iterator[Stix]:
        """The accounts, and what was observed of them; the guard makes them pseudonyms, or holds them back."""
        accounts = [
            self._observable("user-account", {"user_id": account_id}) for account_id in sorted(self._case.accounts)
        ]
        if not accounts:
            return
        yield from accounts
        refs = [stix["id"] for stix in accounts]
        yield self._domain(
            "grouping", "accounts", name=f"Accounts of distillation campaign {self._code}",
            description="Accounts of one campaign, pseudonymous.", context="suspicious-activity",
            object_refs=[*refs, self._campaign],
        )  # fmt: skip

    def _clients(self) -> Iterator[Stix]:
        """The client software that accounts share, as one infrastructure."""
        shared = [trait for trait in self._case.traits if trait.kind == "ja4"]
        if not shared:
            return
        told = {
            "extension_type": "property-extension", "role": "shared-client",
            "ja4": [trait.value for trait in shared],
        }  # fmt: skip
        clients = self._infrastructure(
            "clients", told, _weakest(shared), name=f"Clients of distillation campaign {self._code}",
            description="Client software that flagged accounts share",
        )  # fmt: skip
        yield clients
        yield self._edge(self._campaign, "uses", clients["id"])

    def _reseller(self, trait: Trait) -> Iterator[Stix]:
        """A reseller through whom accounts came, as an infrastructure and as an account of its own."""
        account = self._observable("user-account", {"user_id": trait.value})
        told = {"extension_type": "property-extension", "role": "account-reseller"}
        reseller = self._infrastructure(
            trait.value, told, trait.support, name=f"Resellers of distillation campaign {self._code}",
            description="Reseller through which flagged accounts called", first_seen=second(trait.first_seen_at),
            last_seen=second(trait.last_seen_at),
        )  # fmt: skip
        yield from (account, reseller)
        yield self._edge(reseller["id"], "consists-of", account["id"])
        yield self._edge(self._campaign, "uses", reseller["id"])

    def _infrastructure(self, told: str, extension: Stix, support: Support, **fields: object) -> Stix:
        made = self._domain(
            "infrastructure", told, **fields, infrastructure_types=["anonymization"],
            extensions={extensions.INDICATOR: extension},
        )  # fmt: skip
        self.support[made["id"]] = support
        return made

    def _trait(self, trait: Trait) -> Iterator[Stix]:
        """Observable, observation, infrastructure where it is one, indicator and sighting of one trait."""
        kind, field, role = _OBSERVED[trait.kind]
        seen = {"first_seen": second(trait.first_seen_at), "last_seen": second(trait.last_seen_at)}
        observable = self._seen(trait, kind, field)
        indicator = self._indicator(trait, kind, field, role)
        observed = self._domain(
            "observed-data", observable["id"], first_observed=seen["first_seen"], last_observed=seen["last_seen"],
            number_observed=trait.support.n_accounts, object_refs=[observable["id"]],
        )  # fmt: skip
        sighting = self._domain(
            "sighting", indicator["id"], **seen, count=trait.support.n_accounts, sighting_of_ref=indicator["id"],
            where_sighted_refs=[self._publisher], observed_data_refs=[observed["id"]],
        )  # fmt: skip
        yield from (observable, observed, indicator, sighting)
        yield self._edge(indicator["id"], "indicates", self._campaign)
        if trait.kind != "sketch":
            network = self._infrastructure(
                observable["id"], {"extension_type": "property-extension", "role": role}, trait.support, **seen,
                name=f"Networks of distillation campaign {self._code}",
                description=f"Shared by many flagged accounts of distillation campaign {self._code}.",
            )  # fmt: skip
            yield network
            yield self._edge(network["id"], "consists-of", observable["id"])
            yield self._edge(self._campaign, "uses", network["id"])

    def _seen(self, trait: Trait, kind: str, field: str) -> Stix:
        if trait.kind == "sketch":
            contributing = {"sketch": trait.value, **self._sketched()}
            told: Stix = {"part": "prompt", "extensions": {extensions.TEMPLATE: {"extension_type": "new-sco"}}}
        else:
            contributing, told = {field: int(trait.value) if trait.kind == "asn" else trait.value}, {}
        made = self._observable(kind, contributing, **told)
        self.support[made["id"]] = trait.support
        return made

    def _indicator(self, trait: Trait, kind: str, field: str, role: str) -> Stix:
        quoted = trait.value if trait.kind == "asn" else f"'{trait.value}'"
        lasting = TEMPLATES_LAST if trait.kind == "sketch" else RELAYS_LAST
        told: Stix = {"extension_type": "property-extension", "role": role}
        if trait.kind == "sketch":
            told |= {"sketch": trait.value, "part": "prompt", **self._sketched()}
        made = self._domain(
            "indicator", trait.kind, trait.value,
            name=f"Autonomous system AS{trait.value}" if trait.kind == "asn" else _NAMES[trait.kind],
            description=_TELLS, indicator_types=["malicious-activity"], pattern=f"[{kind}:{field} = {quoted}]",
            pattern_type="stix", pattern_version="2.1", valid_from=second(trait.first_seen_at),
            valid_until=second(trait.last_seen_at + lasting), confidence=round(100 * trait.support.flagged_share),
            extensions={extensions.INDICATOR: told},
        )  # fmt: skip
        self.support[made["id"]] = trait.support
        return made

    def _sketched(self) -> Stix:
        return {"sketch_method": extensions.SKETCH_METHOD, "key_id": self._frame.key_id}


def _weakest(traits: list[Trait]) -> Support:
    """What stands behind several traits together: no more than behind the weakest."""
    return Support(
        min(trait.support.n_accounts for trait in traits), min(trait.support.flagged_share for trait in traits)
    )

"""Planning canaries: who carries which key, what the gateway adds, and what is committed to before serving."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from stillwatch.errors import ProvenanceError, UsageError
from stillwatch.model.capability import Capability
from stillwatch.provenance.canary.carriers import CARRIERS, Carrier
from stillwatch.provenance.canary.keys import campaign_key, commitment, decoy_keys, keyed_words
from stillwatch.provenance.ledger import Append

Ints = npt.NDArray[np.int64]

CLASSES: Final = tuple(capability.value for capability in Capability)
"""Prompt classes: the capability that ingest gives each prompt. A student can learn an option a class."""


class CampaignPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway does for one campaign or cohort: an instruction for each prompt class. Keys are not in it."""

    subject: str
    commitment: str
    instructions: dict[str, str]


class CanaryPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan of canaries. `density` is the share of requests that carry it, `control_share` of accounts that never do.

    `digest` is what the ledger holds; the plan may be handed to gateways, for no key can be derived from it.
    """

    plan_id: str
    epoch: str
    made_at: str
    density: float
    control_share: float
    carriers: tuple[str, ...]
    n_decoys: int
    decoy_commitment: str
    campaigns: tuple[CampaignPlan, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


def make_plan(
    subjects: Sequence[str],
    *,
    master: bytes,
    epoch: str,
    at: datetime,
    density: float = 0.2,
    control_share: float = 0.1,
    n_decoys: int = 10_000,
    carriers: Sequence[Carrier] = CARRIERS,
) -> CanaryPlan:
    """A plan for campaigns or cohorts, each with a key of its own.

    Raises:
        UsageError: no subject, one twice, or a share out of range.
    """
    if not subjects or len(set(subjects)) < len(subjects):
        raise UsageError("a canary plan needs campaigns or cohorts, each named once")
    if not (0 < density <= 1 and 0 <= control_share < 1):
        raise UsageError(f"density must lie in (0, 1] and the control share in [0, 1), got {density} and {control_share}")  # fmt: skip  # noqa: E501
    named = msgspec.json.encode([sorted(subjects), epoch, at.isoformat(), density, control_share, n_decoys])
    plan_id = f"canary-{hashlib.sha256(named).hexdigest()[:16]}"
    campaigns = []
    for subject in sorted(subjects):
        key = campaign_key(master, subject, epoch)
        campaigns.append(CampaignPlan(subject, commitment(key), _instructions(key, carriers)))
    return CanaryPlan(
        plan_id=plan_id,
        epoch=epoch,
        made_at=at.isoformat(),
        density=density,
        control_share=control_share,
        carriers=tuple(carrier.name for carrier in carriers),
        n_decoys=n_decoys,
        decoy_commitment=commitment(*decoy_keys(master, plan_id, n_decoys)),
        campaigns=tuple(campaigns),
    )


def read_canary_plan(path: Path) -> CanaryPlan:
    """The plan in a file, as `plan-canaries` wrote it.

    Raises:
        ProvenanceError: the file cannot be read or is no plan.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=CanaryPlan)
    except (OSError, msgspec.DecodeError) as error:
        raise ProvenanceError(f"{path} is no canary plan ({type(error).__name__})") from error


def commit_plan(plan: CanaryPlan, append: Append) -> str:
    """Write the plan's digest and commitments to the ledger; returns the digest of the entry.

    Call it before the plan is handed to a gateway: only then the p-value of the keyed test is beyond argument.
    """
    body: dict[str, str | int] = {
        "plan_id": plan.plan_id,
        "plan_digest": plan.digest,
        "decoy_commitment": plan.decoy_commitment,
        "n_decoys": plan.n_decoys,
    }
    keys = {f"key_{number}": campaign.commitment for number, campaign in enumerate(plan.campaigns)}
    return append("canary_plan", {**body, **keys})


def chosen_options(keys: list[bytes], carrier: int, classes: Ints, n_options: int) -> Ints:
    """The option of a carrier that each key chooses for each prompt class, (n_keys, n_classes)."""
    place = np.full(classes.size, carrier, dtype=np.uint64)
    return np.asarray(keyed_words(keys, place, classes.astype(np.uint64)) % np.uint64(n_options), dtype=np.int64)


def carries(plan: CanaryPlan, master: bytes, subject: str, account_id: str, request_id: str) -> bool:
    """Whether this request of this account is served with its canary: not for control accounts, else by the density."""
    return (
        _uniform(master, "control", plan.plan_id, subject, account_id) >= plan.control_share
        and _uniform(master, "density", plan.plan_id, subject, request_id) < plan.density
    )


def suffix(plan: CanaryPlan, master: bytes, subject: str, account_id: str, request_id: str, prompt_class: str) -> str:
    """What the gateway adds to the system prompt of this request; empty: nothing.

    Raises:
        UsageError: the plan has no such subject or prompt class.
    """
    found = [campaign.instructions for campaign in plan.campaigns if campaign.subject == subject]
    if not found or prompt_class not in found[0]:
        raise UsageError(f"{plan.plan_id} has no {subject} with prompt class {prompt_class}")
    return found[0][prompt_class] if carries(plan, master, subject, account_id, request_id) else ""


def _uniform(master: bytes, *words: str) -> float:
    return int.from_bytes(hmac.digest(master, "\0".join(words).encode(), "sha256")[:7], "big") / (1 << 56)


def _instructions(key: bytes, carriers: Sequence[Carrier]) -> dict[str, str]:
    classes = np.arange(len(CLASSES))
    chosen = [chosen_options([key], place, classes, len(carrier.options))[0] for place, carrier in enumerate(carriers)]
    told = [
        [carrier.options[option].instruction for option in options]
        for carrier, options in zip(carriers, chosen, strict=True)
    ]
    return {name: " ".join(lines[number] for lines in told) for number, name in enumerate(CLASSES)}

"""Provenance on a workspace: the room's tests joined to the ledger, the keys and the state."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from stillwatch.config import Config
from stillwatch.errors import ProvenanceError
from stillwatch.provenance.canary.carriers import CARRIERS
from stillwatch.provenance.canary.keys import master_key
from stillwatch.provenance.canary.plan import CLASSES, CanaryPlan, commit_plan, make_plan, read_canary_plan, suffix
from stillwatch.provenance.canary.power import simulated_power
from stillwatch.provenance.canary.serving import Serving
from stillwatch.provenance.finding import Finding
from stillwatch.provenance.probe.client import Client
from stillwatch.provenance.probe.collect import Collected, collect
from stillwatch.provenance.probe.plan import Registered, register
from stillwatch.provenance.twins.sampler import Refused, Resample, Served, Twin, make_twins, seal_twins, seals_digest
from stillwatch.provenance.verdict import Conclusion, reach
from stillwatch.store.schema import microseconds
from stillwatch.store.verdicts import Verdicts
from stillwatch.store.workspace import Workspace

POWER_RUNS: Final = 400
"""Simulated students behind a stated power: it is known to within 5 points."""


class Provenance:
    """What provenance does that others can check: every plan, seal and verdict leaves an entry in the ledger.

    `clock` dates entries; it is an argument so that everything can be repeated.
    """

    def __init__(self, workspace: Workspace, config: Config, *, clock: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self.settings = config.provenance
        self._clock = clock

    def append(self, kind: str, body: Mapping[str, str | int | bool | None], /) -> str:
        """Write one ledger entry; returns the hash of its leaf, in hexadecimal."""
        return self._workspace.ledger.append(kind, body, self._clock()).leaf().hex()

    @cached_property
    def master(self) -> bytes:
        """The master key of canaries and of the draw of twins, derived from the workspace's reference key."""
        return master_key(self._workspace.keys.reference_key)

    def plan_canaries(
        self, subjects: Sequence[str], *, epoch: str, density: float, control_share: float
    ) -> tuple[CanaryPlan, str]:
        """A plan whose commitments are in the ledger, and the digest of that entry."""
        plan = make_plan(
            subjects,
            master=self.master,
            epoch=epoch,
            at=self._clock(),
            density=density,
            control_share=control_share,
            n_decoys=self.settings.canary.n_decoys,
        )
        return plan, commit_plan(plan, self.append)

    def canary_power(self, plan: CanaryPlan, *, following: float, n_outputs: int, seed: int) -> float:
        """Chance that a student who follows its key in a share of outputs is found, after Holm over the campaigns."""
        return simulated_power(
            n_options=len(CARRIERS[0].options),
            following=following,
            n_outputs=n_outputs,
            n_cells=len(plan.carriers) * len(CLASSES),
            alpha=self.settings.canary.alpha / len(plan.campaigns),
            n_runs=POWER_RUNS,
            rng=np.random.default_rng(seed),
            concentration=1.0,
        )

    def canary_for(self, plan: CanaryPlan, subject: str, *, account_id: str, request_id: str, prompt_class: str) -> str:
        """What the decision service tells a gateway to add to the system prompt of one request; empty: nothing."""
        return suffix(plan, self.master, subject, account_id, request_id, prompt_class)

    def serving(self, path: Path) -> Serving:
        """The sealed plan in a file, at work; that it is from now on is in the ledger.

        Raises:
            ProvenanceError: the file is no plan, or its commitments are not in this workspace's ledger.
        """
        plan = read_canary_plan(path)
        self.check_committed(plan)
        self.append("canary_serving", {"plan_id": plan.plan_id, "plan_digest": plan.digest})
        return Serving(plan, self.master)

    def check_committed(self, plan: CanaryPlan) -> None:
        """Whether the ledger holds the plan.

        Raises:
            ProvenanceError: it does not, so the plan may have been made after the suspect.
        """
        self._check("canary_plan", "plan_digest", plan.digest, f"canary plan {plan.plan_id}")

    def check_sealed(self, twins: Sequence[Twin], path: Path) -> None:
        """Whether the ledger holds the seal of the twins in the file at `path`.

        Raises:
            ProvenanceError: it does not, so a twin may have been chosen after the suspect was seen.
        """
        self._check("twins_sealed", "digest", seals_digest(twins), f"the seal of the twins in {path}")

    def seal_twins(self, served: Sequence[Served], resample: Resample, share: float) -> tuple[list[Twin], list[Refused], str]:  # fmt: skip  # noqa: E501
        """Twins of the drawn exchanges, those that can have none, and the digest of the ledger entry."""
        twins, refused = make_twins(served, key=self.master, share=share, resample=resample)
        return twins, refused, seal_twins(twins, self.append)

    def probe(self, registered: Registered, client: Client, path: Path) -> Collected:
        """Register the plan, then ask; a plan that is in the ledger already is not registered again."""
        if not self._has("provenance_plan", "plan_digest", registered.digest):
            if path.exists() and path.stat().st_size:
                raise ProvenanceError(f"{path} has answers and the plan is not registered; name another file")
            register(registered, self.append)
        return collect(registered, client, path, clock=self._clock)

    def conclude(self, suspect: str, findings: Sequence[Finding], registered: Registered | None = None) -> Conclusion:
        """The conclusion from findings, recorded with its ledger entry.

        Raises:
            ProvenanceError: the plan is not in the ledger, or a finding's level is not the plan's.
        """
        if registered is not None:
            self._check("provenance_plan", "plan_digest", registered.digest, "the probe plan")
            _check_levels(findings, registered)
        weights = registered.plan.weights if registered is not None and registered.plan.weights else None
        conclusion = reach(findings, weights)
        at = self._clock()
        body = msgspec.json.encode(list(findings), order="deterministic")
        digest = hashlib.sha256(body).hexdigest()
        verdict_id = "v-" + hashlib.sha256(msgspec.json.encode([suspect, digest, at])).hexdigest()[:20]
        entry = self.append("provenance_verdict", {"verdict_id": verdict_id, "verdict": conclusion.verdict.value,
                                                   "findings_digest": digest})  # fmt: skip
        Verdicts(self._workspace.state).record(
            {
                "verdict_id": verdict_id,
                "suspect": suspect,
                "verdict": conclusion.verdict.value,
                "tests": [finding.test for finding in findings],
                "reasons": list(conclusion.reasons),
                "e_value": conclusion.e_value,
                "registration": registered.digest if registered else None,
                "findings": body.decode(),
                "ledger_digest": entry,
                "reached_at": microseconds(at),
            }
        )
        return conclusion

    def verdicts(self) -> pa.Table:
        """All verdicts that were recorded."""
        return Verdicts(self._workspace.state).rows()

    def _has(self, kind: str, name: str, digest: str) -> bool:
        entries = self._workspace.ledger.entries(kind)
        return any(msgspec.json.decode(entry.body, type=dict).get(name) == digest for entry in entries)

    def _check(self, kind: str, name: str, digest: str, what: str) -> None:
        if not self._has(kind, name, digest):
            raise ProvenanceError(f"{what} is not in this workspace's ledger; nothing shows that it came first")


def _check_levels(findings: Sequence[Finding], registered: Registered) -> None:
    for finding in findings:
        planned = registered.plan.alpha.get(finding.test)
        if planned is None:
            raise ProvenanceError(f"{finding.test} is not among the tests of the registered plan")
        if finding.alpha != planned:
            raise ProvenanceError(f"{finding.test} was run at {finding.alpha:g}, the plan says {planned:g}")

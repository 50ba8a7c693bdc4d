"""The suite `joint`: campaigns that spread over three laboratories, alone and with what private matching tells."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluate.outcomes import Fate, Part, fate_of, honest_accounts
from stillwatch.evaluate.recall import fates_of
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Judged, Scene, build_scene, judge
from stillwatch.guard import load_policy, shipped_policy
from stillwatch.model.tables import INDICATORS
from stillwatch.simulate import Campaign

N_LABS: Final = 3
ALONE, TOGETHER, HONEST = "alone", "together", "honest"
_EVASIVE: Final = {"volume_sigma": 1.2, "daily_burst": 1.0, "aged": 1.0, "mimics_hours": True}
CAMPAIGNS: Final = (
    Campaign(name="15 accounts", n_accounts=15),
    Campaign(name="24 accounts, diluted", n_accounts=24, dilution=0.9),
    Campaign(name="60 accounts, evasive", n_accounts=60, **_EVASIVE),  # type: ignore[arg-type]
    Campaign(name="150 accounts, evasive", n_accounts=150, **_EVASIVE),  # type: ignore[arg-type]
)
READING: Final = (
    "One world is dealt to three laboratories by a hash of the account, so that honest frameworks and prompts are in "
    "common too. Near tokens of each pair are compared by plain intersection, which tests show equal to the protocol; "
    "what both hold lifts groups to review. Nobody is accused for it: as many are accused together as alone."
)


def measure(seed: int, bench: Bench) -> Part:
    """Each laboratory judges its part alone; then near tokens are compared pairwise, and each judges again."""
    scene = build_scene(bench.world(CAMPAIGNS), seed=seed)
    parts = [dealt(scene, lab) for lab in range(N_LABS)]
    alone = []
    for done, part in enumerate(parts):
        bench.progress("laboratories", done, 2 * N_LABS)
        alone.append(judge(part, bench.calibration, engine=bench.engine, config=bench.config))
    told = matched([near_tokens(one) for one in alone])
    together = []
    for done, (part, tokens) in enumerate(zip(parts, told, strict=True)):
        bench.progress("laboratories", N_LABS + done, 2 * N_LABS)
        rows = indicators(tokens, part)
        together.append(
            judge(part, bench.calibration, engine=bench.engine, config=bench.config, indicators=rows)
        )  # fmt: skip
    fates = [*_fates(scene, alone, ALONE), *_fates(scene, together, TOGETHER)]
    return Part(seed=seed, fates=tuple(fates), n_windows=N_LABS)


def dealt(scene: Scene, lab: int) -> Scene:
    """The part of a world that one laboratory sees: every account is at one laboratory."""
    names = ("token_uses", "account_days", "accounts", "account_events")
    return replace(scene, **{name: _of_lab(getattr(scene, name), lab) for name in names})


def _of_lab(rows: pa.Table, lab: int) -> pa.Table:
    distinct = pc.unique(rows["account_id"])
    labs = [hashlib.blake2b(name.encode(), digest_size=4).digest()[0] % N_LABS for name in distinct.to_pylist()]
    mine = distinct.filter(pa.array(np.equal(labs, lab)))
    return rows.filter(pc.is_in(rows["account_id"], value_set=mine))


def near_tokens(judged: Judged) -> set[tuple[str, int]]:
    """The tokens that a laboratory would compare: of near groups, of the kinds that the policy compares as hashes."""
    near = judged.scores.filter(judged.scores["is_near"])["group_id"].combine_chunks()
    kinds = pa.array(load_policy(shipped_policy()).matching.technical)
    groups = judged.groups.filter(pc.is_in(judged.groups["group_id"], value_set=near))
    groups = groups.filter(pc.is_in(groups["token_kind"], value_set=kinds))
    return set(zip(groups["token_kind"].to_pylist(), groups["token"].to_pylist(), strict=True))


def matched(held: Sequence[set[tuple[str, int]]]) -> list[set[tuple[str, int]]]:
    """What each laboratory learns from comparing with each other one; below the policy's number of hits nothing."""
    least = load_policy(shipped_policy()).matching.least_reveal
    told: list[set[tuple[str, int]]] = [set() for _ in held]
    for one, other in combinations(range(len(held)), 2):
        common = held[one] & held[other]
        if len(common) >= least:
            told[one] |= common
            told[other] |= common
    return told


def indicators(tokens: set[tuple[str, int]], scene: Scene) -> pa.Table:
    """INDICATORS as a session of private matching leaves them."""
    rows = [
        {
            "indicator_id": "indicator--joint", "peer": "lab", "kind": kind, "value": f"{token:x}", "token_kind": kind,
            "token": token, "valid_from": scene.window.start, "revoked": False, "modified": scene.window.end,
            "record_id": "joint",
        }
        for kind, token in sorted(tokens)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=INDICATORS.schema)


def _fates(scene: Scene, judged: Sequence[Judged], when: str) -> list[Fate]:
    """What became of each campaign's accounts, and of honest ones, over all laboratories."""
    findings = pa.concat_tables([one.findings for one in judged])
    planted = scene.truth.campaigns
    seen = pc.unique(scene.account_days["account_id"])
    fates = []
    for campaign in CAMPAIGNS:
        mine = planted.filter(pc.equal(planted["campaign"], campaign.name))["account_id"].combine_chunks()
        mine = mine.filter(pc.is_in(mine, value_set=seen))
        fates.append(fate_of(f"{campaign.name}, {when}", mine, findings))
    honest = honest_accounts(replace(judged[0], findings=findings))
    return [*fates, fate_of(f"{HONEST}, {when}", honest, findings)]


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """Shares of accounts accused and flagged, alone and together."""
    rows, failures = [], []
    for case in (*(campaign.name for campaign in CAMPAIGNS), HONEST):
        before, after = (_summed(parts, f"{case}, {when}") for when in (ALONE, TOGETHER))
        rows.append((case, before.n_accounts, before.recall, after.recall, before.flagged, after.flagged))
        if after.n_accused > before.n_accused:
            failures.append(f"{case}: {after.n_accused} accounts accused together, {before.n_accused} alone")
    columns = (
        "accounts", "n", "accused alone", "accused together", "flagged alone", "flagged together",
    )  # fmt: skip
    title = f"Campaigns over {N_LABS} laboratories, and honest accounts"
    return Body(tables=(Table(title, columns, tuple(rows)),), failures=tuple(failures), notes=(READING,))


def _summed(parts: Sequence[Part], case: str) -> Fate:
    fates = fates_of(parts, case)
    n, n_accused, n_flagged = (
        sum(getattr(fate, name) for fate in fates) for name in ("n_accounts", "n_accused", "n_flagged")
    )
    return Fate(case=case, n_accounts=n, n_accused=n_accused, n_flagged=n_flagged)


SUITE: Final = Suite(
    name="joint",
    question="What do laboratories find together that none finds alone?",
    measure=measure,
    report=report,
    seeds=(9511, 9512, 9513),
)

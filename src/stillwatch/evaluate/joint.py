"""The suite `joint`: campaigns that spread over three laboratories, alone and with what private matching tells."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace as copied

from stillwatch.evaluate.laboratory import KINDS, Compared, Laboratory, compare_all, laboratories
from stillwatch.evaluate.outcomes import Fate, Part, fate_of, honest_accounts
from stillwatch.evaluate.recall import fates_of
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Judged, Scene, build_scene, judge
from stillwatch.simulate import Campaign

N_LABS: Final = 3
ALONE, TOGETHER, HONEST = "alone", "together", "honest"
_EVASIVE: Final = Campaign(volume_sigma=1.2, daily_burst=1.0, aged=1.0, mimics_hours=True)
_BARE: Final = Campaign(paraphrase=1.0, shares_system=False, shares_tools=False, p_share=1.0)
"""No text in common: only cards and exits, in clusters."""
CAMPAIGNS: Final = (
    copied(_BARE, name="45 accounts, cards and exits alone", n_accounts=45, cluster=45),
    copied(_BARE, name="90 accounts, the same in two clusters", n_accounts=90, cluster=45),
    copied(_BARE, name="60 accounts, the same, uneven volumes", n_accounts=60, cluster=60, volume_sigma=1.2),
    copied(_BARE, name="24 accounts, cards and exits alone", n_accounts=24, cluster=24),
    copied(_EVASIVE, name="60 accounts, evasive", n_accounts=60),
    copied(_EVASIVE, name="36 accounts, evasive", n_accounts=36),
    Campaign(name="24 accounts, uneven volumes", n_accounts=24, volume_sigma=1.2),
    Campaign(name="36 accounts, aged, diluted", n_accounts=36, aged=1.0, dilution=0.8, volume_sigma=0.6),
)
READING: Final = (
    "One world is dealt to three laboratories by a hash of the account, so that honest frameworks and prompts are in "
    "common too; addresses, cards and devices are pseudonyms under a key of each laboratory. Every pair goes through "
    "the protocol of private matching, signed and message by message, once for texts and once for each sealed "
    "identity, and people on both sides consent wherever enough is common; what both hold lifts groups to review. "
    "Nobody is accused for it: as many are accused together as alone."
)


def measure(seed: int, bench: Bench) -> Part:
    """Each laboratory judges its part alone; then near tokens are compared pairwise, and each judges again."""
    scene = build_scene(bench.world(CAMPAIGNS), seed=seed)
    with laboratories(scene, N_LABS, seed=seed) as labs:
        alone = [_judged(lab, bench, number) for number, lab in enumerate(labs)]
        for lab, judged in zip(labs, alone, strict=True):
            lab.hold(judged)
        told, compared = compare_all(labs, bench.config)
        together = [
            _judged(lab, bench, N_LABS + number, indicators)
            for number, (lab, indicators) in enumerate(zip(labs, told, strict=True))
        ]
    fates = [*_fates(scene, alone, ALONE), *_fates(scene, together, TOGETHER)]
    return Part(seed=seed, fates=tuple(fates), n_windows=N_LABS, values=_sums(compared))


def _judged(lab: Laboratory, bench: Bench, done: int, indicators: pa.Table | None = None) -> Judged:
    bench.progress("laboratories", done, 2 * N_LABS)
    return judge(lab.scene, bench.calibration, engine=bench.engine, config=bench.config, indicators=indicators)


def _sums(compared: Sequence[Compared]) -> dict[str, float]:
    """Items held and revealed in all sessions about a kind, and how many of these revealed."""
    sums: dict[str, float] = defaultdict(float)
    for one in compared:
        sums[f"{one.kind} held"] += one.n_held
        sums[f"{one.kind} revealed"] += one.n_revealed
        sums[f"{one.kind} sessions"] += one.n_revealed > 0
    return dict(sums)


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
    tables = (Table(title, columns, tuple(rows)), _compared_table(parts))
    return Body(tables=tables, failures=tuple(failures), notes=(READING,))


def _compared_table(parts: Sequence[Part]) -> Table:
    """What was compared, over all seeds and pairs."""
    rows = []
    for kind in KINDS:
        n_held, n_revealed, n_sessions = (
            int(sum(part.values.get(f"{kind} {what}", 0) for part in parts))
            for what in ("held", "revealed", "sessions")
        )
        rows.append((kind, N_LABS * (N_LABS - 1) // 2 * len(parts), n_sessions, n_held, n_revealed))
    columns = ("compared", "sessions", "that revealed", "items held by the asking side", "items revealed")
    return Table("Sessions of private matching", columns, tuple(rows))


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
    seeds=(9521, 9522, 9523),
)

"""The suite `missing`: recall where a deployment lacks one kind of evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.config import Config
from stillwatch.evaluate.outcomes import Part, campaign_fate, fate_of, honest_accounts
from stillwatch.evaluate.recall import Case, fates_of, recall_bars, recall_failures, recall_table, world_seed
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite
from stillwatch.evaluate.worlds import Scene, build_scene, judge
from stillwatch.model.signal import EvidenceKind
from stillwatch.model.tables import ACCOUNT_EVENTS, ACCOUNTS
from stillwatch.signals.catalog import catalog
from stillwatch.simulate import Campaign

ALPHA: Final = 1e-3
"""The goals are for this share of honest people (issue 3, what it must show)."""
WANTED: Final = 0.8
HONEST: Final = "honest people"
TEXT_KINDS: Final = ("skeleton", "system", "tools", "shingle")
NETWORK_KINDS: Final = ("address", "prefix", "ja4")
TEXT_LISTS: Final = ("micro_cells", "capabilities", "prompts", "materials")
INFRASTRUCTURE: Final = (
    "payment_fingerprint", "device_id", "signup_client_address", "signup_client_prefix", "email", "email_domain",
    "email_shape", "email_shape_hash", "phone", "name",
)  # fmt: skip
"""Columns of `accounts` that link one account to another."""
TIMING_SIGNALS: Final = tuple(signal.name for signal in catalog() if signal.evidence == EvidenceKind.TIMES)

NOTES: Final = (
    f"An account that is accused here would be reviewed at the usual alpha, which is a tenth of {ALPHA:g}.",
    (
        "No timing: hours and days cannot be taken out of the telemetry, so the signals "
        f"{', '.join(TIMING_SIGNALS)} are left out; groups of popular tokens are still cut by onset."
    ),
    (
        "No accounts table leaves nobody who could be accused: owners are unknown, and the fleet of a customer looks "
        "like a campaign. What is flagged is for review."
    ),
    (
        "No text leaves cards, devices, addresses and TLS fingerprints. Five in a hundred accounts of base500 share "
        "one, in clusters of eight; the others meet only in networks that many customers share."
    ),
)
CAMPAIGNS: Final = (
    Campaign(name="base500", n_accounts=500),
    Campaign(name="lapses500", n_accounts=500, p_share=0.5, cluster=20),
)
"""The base campaign, and one of whose accounts half share cards, devices and exits in clusters of twenty."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One kind of evidence that a deployment lacks."""

    name: str
    text: bool = True
    infrastructure: bool = True
    timing: bool = True
    accounts: bool = True


ARMS: Final = (
    Arm("everything"),
    Arm("no text", text=False),
    Arm("no infrastructure", infrastructure=False),
    Arm("no timing", timing=False),
    Arm("no accounts table", accounts=False),
)


def cases() -> tuple[Case, ...]:
    """Every campaign under every arm."""
    return tuple(
        Case(msgspec.structs.replace(campaign, name=f"{arm.name}: {campaign.name}"), WANTED if arm.accounts else None)
        for arm in ARMS
        for campaign in CAMPAIGNS
    )


def measure(seed: int, bench: Bench) -> Part:
    """One world for each campaign, judged once under each arm.

    The campaigns have worlds of their own, because without text what connects one's accounts are networks, and two
    campaigns may meet in these.
    """
    fates = []
    for number, campaign in enumerate(CAMPAIGNS):
        scene = build_scene(bench.world([campaign]), seed=world_seed(seed, number))
        for done, arm in enumerate(ARMS):
            bench.progress(campaign.name, done, len(ARMS))
            config = without_signals(bench.config, arm)
            judged = judge(without_evidence(scene, arm), bench.calibration, engine=bench.engine, config=config)
            fates.append(campaign_fate(judged, campaign.name, case=f"{arm.name}: {campaign.name}"))
            fates.append(fate_of(f"{arm.name}: {HONEST}", honest_accounts(judged), judged.findings))
        bench.progress(campaign.name, len(ARMS), len(ARMS))
    return Part(seed=seed, fates=tuple(fates), n_windows=len(CAMPAIGNS))


def without_evidence(scene: Scene, arm: Arm) -> Scene:
    """The scene as a deployment without this evidence would have stored it."""
    uses, days, accounts = scene.token_uses, scene.account_days, scene.accounts
    if not arm.text:
        uses, days = (_emptied(rows, TEXT_LISTS) for rows in (_without_kinds(uses, TEXT_KINDS), days))
    if not arm.infrastructure:
        uses, accounts = _without_kinds(uses, NETWORK_KINDS), _nulled(accounts, INFRASTRUCTURE)
    known = replace(scene, token_uses=uses, account_days=days, accounts=accounts)
    return known if arm.accounts else replace(known, accounts=ACCOUNTS.empty(), account_events=ACCOUNT_EVENTS.empty())


def without_signals(config: Config, arm: Arm) -> Config:
    """The configuration without the signals that an arm has no evidence for."""
    if arm.timing:
        return config
    signals = msgspec.structs.replace(config.signals, exclude=(*config.signals.exclude, *TIMING_SIGNALS))
    return msgspec.structs.replace(config, signals=signals)


def _without_kinds(uses: pa.Table, kinds: Sequence[str]) -> pa.Table:
    return uses.filter(pc.invert(pc.is_in(uses["token_kind"], value_set=pa.array(kinds))))


def _emptied(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """`rows` with empty lists in these columns."""
    for name in columns:
        place = rows.schema.get_field_index(name)
        empty = pa.ListArray.from_arrays(pa.array([0] * (rows.num_rows + 1), pa.int32()), pa.array([], pa.int16()))
        rows = rows.set_column(place, rows.schema.field(place), empty.cast(rows.schema.field(place).type))
    return rows


def _nulled(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, pa.nulls(rows.num_rows, field.type))
    return rows


def report(parts: Sequence[Part], bench: Bench) -> Body:  # noqa: ARG001 - shape of a suite
    """Recall of each campaign under each arm."""
    return Body(
        tables=(recall_table("Recall by missing evidence", cases(), parts), honest_table(parts)),
        failures=(*recall_failures(cases(), parts), *honest_failures(parts)),
        notes=NOTES,
        bars=recall_bars(cases(), parts),
    )


def honest_table(parts: Sequence[Part]) -> Table:
    """Honest people accused under each arm; all arms judge the same worlds."""
    rows = tuple(
        (name, n, n_accused, f"{n_accused / max(n, 1):.5f}", f"{ALPHA:g}")
        for name, n, n_accused in honest_people(parts)
    )
    return Table("Honest people", ("arm", "people", "accused", "share", "goal"), rows)


def honest_people(parts: Sequence[Part]) -> list[tuple[str, int, int]]:
    """For each arm its name, how many honest people there were, and how many were accused."""
    found = []
    for arm in ARMS:
        fates = fates_of(parts, f"{arm.name}: {HONEST}")
        found.append((arm.name, sum(fate.n_accounts for fate in fates), sum(fate.n_accused for fate in fates)))
    return found


def honest_failures(parts: Sequence[Part]) -> list[str]:
    """The arms under which more honest people were accused than alpha allows: recall there is at another rate."""
    return [
        f"{name}: {n_accused} of {n} honest people accused, above {ALPHA:g}"
        for name, n, n_accused in honest_people(parts)
        if n_accused > ALPHA * n
    ]


SUITE: Final = Suite(
    name="missing",
    question="What is found where a deployment has no prompts, no network identity, no use of times, or no accounts?",
    measure=measure,
    report=report,
    alpha=ALPHA,
)

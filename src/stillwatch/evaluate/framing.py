"""The suite `framing`: honest accounts whose token a campaign borrows, and labels that appeals have poisoned."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.errors import UsageError
from stillwatch.evaluate.innocents import people_note
from stillwatch.evaluate.outcomes import Fate, Part, campaign_fate, fate_of
from stillwatch.evaluate.recall import Case, fates_of, mean_recall, recall_bars, recall_table, world_seed
from stillwatch.evaluate.report import Body, Table
from stillwatch.evaluate.suite import Bench, Suite, honest_part
from stillwatch.evaluate.worlds import Proposed, Scene, build_scene, judge, propose
from stillwatch.simulate import Campaign

FRAMEWORK_RANK: Final = 10
VICTIM_SIZES: Final = (5, 80)
"""Adopters of the honest system prompt that a campaign borrows: a customer with several seats, not a crowd."""
BORROWED_KINDS: Final = ("skeleton", "system", "tools")
"""Kinds of tokens that whoever runs a campaign can copy from somebody else."""

HIDING: Final = Campaign(name="hides in framework", n_accounts=500, hides_in_framework=FRAMEWORK_RANK)
BORROWING: Final = Campaign(name="borrows a token", n_accounts=500)
APPEALING: Final = Campaign(name="appealing", n_accounts=50)
OPERATOR: Final = Campaign(name="operator", n_accounts=500)
FRAMED: Final = {HIDING.name: "adopters of the framework", BORROWING.name: "adopters of the borrowed token"}
BEFORE, AFTER = "operator, own history", "operator, after appeals"
NOT_MEASURED: Final = (
    "Not measured: appeals over time, and decisions that expire (`respond plan` tests a policy on history); accused "
    "stands for enforced against."
)
CASES: Final = (
    Case(HIDING, None),
    Case(BORROWING, None),
    Case(Campaign(name=BEFORE, n_accounts=OPERATOR.n_accounts), None),
    Case(Campaign(name=AFTER, n_accounts=OPERATOR.n_accounts), None),
)


def measure(seed: int, bench: Bench) -> Part:
    """A world for each kind of framing, and one in which a campaign appeals before the next is judged."""
    worlds, fates = [], []
    for number, campaign in enumerate((HIDING, BORROWING)):
        scene = build_scene(bench.world([campaign]), seed=world_seed(seed, number))
        scene = framed_scene(scene) if campaign == BORROWING else scene
        judged = judge(scene, bench.calibration, engine=bench.engine, config=bench.config)
        worlds.append(judged)
        fates.append(campaign_fate(judged, campaign.name))
        fates.append(fate_of(FRAMED[campaign.name], victims(scene, campaign.name), judged.findings))
    return honest_part(seed, worlds, [*fates, *appealed(world_seed(seed, len(worlds)), bench)])


def appealed(seed: int, bench: Bench) -> list[Fate]:
    """How the second campaign of a world fares after its history was fitted, without and with appeals of the first."""
    scene = build_scene(bench.world([APPEALING, OPERATOR]), seed=seed)
    proposed = propose(scene, engine=bench.engine, config=bench.config)
    fates = []
    for case, cleared in ((BEFORE, ""), (AFTER, APPEALING.name)):
        fitted = refitted(proposed, bench, cleared=cleared)
        judged = judge(scene, fitted, engine=bench.engine, config=bench.config)
        fates.append(campaign_fate(judged, OPERATOR.name, case=case))
    return fates


def framed_scene(scene: Scene) -> Scene:
    """The scene in which the borrowing campaign sends an honest customer's system prompt in place of its own."""
    uses = scene.token_uses
    is_borrowed = pc.and_(
        pc.is_in(uses["account_id"], value_set=members(scene, BORROWING.name)), pc.equal(uses["token_kind"], "system")
    )
    token = pc.if_else(is_borrowed, pa.scalar(victim_token(scene), uses["token"].type), uses["token"])
    place = uses.schema.get_field_index("token")
    return replace(scene, token_uses=uses.set_column(place, uses.schema.field(place), token))


def victim_token(scene: Scene) -> int:
    """The honest system prompt with the most adopters within `VICTIM_SIZES`; the lowest token breaks ties.

    Raises:
        UsageError: the world is too small to have one.
    """
    uses = scene.token_uses
    system = uses.filter(pc.equal(uses["token_kind"], "system"))
    adopters = system.group_by(["token", "account_id"]).aggregate([])
    planted = scene.truth.campaigns["account_id"].combine_chunks()
    shared = pc.unique(adopters.filter(pc.is_in(adopters["account_id"], value_set=planted))["token"])
    honest = adopters.filter(pc.invert(pc.is_in(adopters["token"], value_set=shared)))
    sizes = honest.group_by("token").aggregate([([], "count_all")])
    low, high = VICTIM_SIZES
    fit = sizes.filter(pc.and_(pc.greater_equal(sizes["count_all"], low), pc.less_equal(sizes["count_all"], high)))
    if not fit.num_rows:
        raise UsageError(f"no honest system prompt of the world has {low} to {high} adopters: take more accounts")
    return int(fit.sort_by([("count_all", "descending"), ("token", "ascending")])["token"][0].as_py())


def members(scene: Scene, campaign: str) -> pa.Array:
    """Ids of the accounts of a planted campaign."""
    planted = scene.truth.campaigns
    return planted.filter(pc.equal(planted["campaign"], campaign))["account_id"].combine_chunks()


def victims(scene: Scene, campaign: str) -> pa.Array:
    """Honest accounts that carry a text token which most of the campaign's accounts carry too."""
    uses = scene.token_uses
    text = uses.filter(pc.is_in(uses["token_kind"], value_set=pa.array(BORROWED_KINDS)))
    adopters = text.group_by(["token_kind", "token", "account_id"]).aggregate([])
    own = members(scene, campaign)
    is_own = pc.is_in(adopters["account_id"], value_set=own)
    counts = adopters.filter(is_own).group_by("token").aggregate([([], "count_all")])
    borrowed = counts.filter(pc.greater(counts["count_all"], len(own) / 2))["token"].combine_chunks()
    carriers = adopters.filter(pc.is_in(adopters["token"], value_set=borrowed))["account_id"]
    planted = scene.truth.campaigns["account_id"].combine_chunks()
    return pc.unique(carriers.filter(pc.invert(pc.is_in(carriers, value_set=planted))))


def refitted(proposed: Proposed, bench: Bench, *, cleared: str) -> scoring.Calibration:
    """The calibration fitted to the world's own history, after a person judged all accounts of a campaign honest.

    `cleared` is the name of that campaign, empty for nobody.
    """
    own = scoring.group_matrix(proposed.groups, proposed.signals, bench.calibration.signals)
    ids = proposed.labels.filter(pc.equal(pc.fill_null(proposed.labels["campaign"], ""), cleared or None))["group_id"]
    is_honest = np.asarray(pc.is_in(own.group_ids, value_set=ids.combine_chunks()))
    return scoring.refit(bench.calibration, own, is_honest, n_accounts=proposed.n_accounts).calibration


def report(parts: Sequence[Part], bench: Bench) -> Body:
    """Framed honest accounts, which must not be accused, and what appeals cost."""
    rows, failures = [], []
    for said in FRAMED.values():
        fates = fates_of(parts, said)
        n, n_accused = sum(fate.n_accounts for fate in fates), sum(fate.n_accused for fate in fates)
        rows.append((said, n, n_accused, sum(fate.n_flagged for fate in fates), "0"))
        if n_accused:
            failures.append(f"{n_accused} of {n} {said} were accused, none may be")
    lost = mean_recall(fates_of(parts, BEFORE)) - mean_recall(fates_of(parts, AFTER))
    columns = ("honest accounts", "accounts", "accused", "flagged at all", "goal for accused")
    return Body(
        tables=(Table("Framed", columns, tuple(rows)), recall_table("Campaigns", CASES, parts)),
        failures=tuple(failures),
        notes=(
            f"Recall of the next campaign that is lost when all appeals of an earlier one succeed: {lost:.3f}.",
            NOT_MEASURED,
            people_note(parts, bench.calibration),
        ),
        bars=recall_bars(CASES, parts),
    )


SUITE: Final = Suite(
    name="framing",
    question="Can a campaign get honest accounts accused, or talk the detector out of seeing it?",
    measure=measure,
    report=report,
)

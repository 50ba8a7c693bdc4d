"""The model card of a calibration, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.evaluate.calibrate import LeftOut, Plan
from stillwatch.evaluate.heldout import HeldOut, comparison_table
from stillwatch.scoring import Calibration


@dataclass(frozen=True, slots=True)
class Findings:
    """What was measured about a calibration: against the label-free sum, without each signal, without each class.

    The last two are of fits to every third window, as is `from_few`, which has all signals and classes.
    """

    compared: Mapping[str, HeldOut]
    from_few: HeldOut
    ablated: Mapping[str, HeldOut]
    left_out: Sequence[LeftOut]


def model_card(plan: Plan, calibration: Calibration, found: Findings, *, alpha: float) -> str:
    """The card: what the calibration is, rests on, finds, gets wrong, and is not for."""
    sections = [
        _intent(calibration, alpha),
        _data(plan, calibration),
        _features(calibration),
        ["## Held-out campaigns", "", _HELD_OUT, "", *comparison_table(found.compared)],
        _ablation(found),
        _classes(found.left_out),
        ["## Limits", "", *(f"- {limit}" for limit in _LIMITS)],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


_HELD_OUT = (
    "Windows that neither the boosting nor the threshold has seen. Recall is the share of a campaign's accounts in its "
    "largest accused group, the mean over campaigns; a campaign counts once for each of its evasions. "
    "Campaigns without any group are left out: grouping misses them, not scoring."
)
_LIMITS = (
    "Trained and tested on one simulator; how campaigns and honest crowds look elsewhere is an assumption.",
    "The false-accusation rate holds for honest populations like those of the threshold windows.",
    "The guard against a shifted population takes off what moves whole families of groups, not what moves one class.",
    "A campaign whose groups hold half of a family in a run moves that family's median and is corrected away in part.",
    "The log odds rank groups; they are no probabilities.",
    "Never to be used on single accounts, nor with nationality, language, names or countries as signals.",
)


def _intent(calibration: Calibration, alpha: float) -> list[str]:
    scorer = (
        "label-free sum" if calibration.boosting is None else f"boosting of {len(calibration.boosting.trees)} trees"
    )
    return [
        f"# Model card: calibration {calibration.calibration_id[:12]}",
        "",
        f"Scores groups of accounts that share a token ({scorer}); alpha {alpha:g}.",
        "Honest groups above the accuse threshold hold at most alpha x accounts people.",
        "For people who review findings; it decides nothing alone.",
    ]


def _data(plan: Plan, calibration: Calibration) -> list[str]:
    lists = {
        "reference": plan.reference_seeds,
        "threshold": plan.threshold_seeds,
        "training": plan.training_seeds,
        "held out": plan.heldout_seeds,
        "of these with campaigns of at most a week": plan.begun_seeds,
    }
    return [
        "## Data",
        "",
        f"{calibration.origin[:1].upper()}{calibration.origin[1:]}.",
        f"Threshold: {calibration.n_account_windows:,} account-windows with {calibration.n_groups:,} groups.",
        "",
        *(f"- seeds, {name}: {_spans(seeds)}" for name, seeds in lists.items()),
        f"- lengths in days, in turn: {', '.join(map(str, plan.window_lengths))}",
        f"- material of an account, in turn: {', '.join(f'{scale:g}x' for scale in plan.material_scales)}",
    ]


def _features(calibration: Calibration) -> list[str]:
    boosting = calibration.boosting
    if boosting is None:
        rows = [
            f"| {name} | {weight:g} |" for name, weight in zip(calibration.signals, calibration.weights, strict=True)
        ]
        return ["## Weights", "", "| signal | weight |", "| --- | ---: |", *rows]
    order = np.argsort(-np.array(boosting.gains), kind="stable")
    rows = [f"| {boosting.features[place]} | {boosting.gains[place]:.3f} |" for place in order]
    return ["## Share of the gain by feature", "", "| feature | share |", "| --- | ---: |", *rows]


def _ablation(found: Findings) -> list[str]:
    full = found.from_few.recall()
    rows = [
        f"| {name} | {one.recall():.3f} | {one.recall() - full:+.3f} | {one.n_honest_people_accused} |"
        for name, one in sorted(found.ablated.items(), key=lambda pair: pair[1].recall())
    ]
    head = ["| signal left out | recall | change | honest people accused |", "| --- | ---: | ---: | ---: |"]
    told = f"Fitted to every third window. Recall with all signals: {full:.3f}."
    return ["## Without one signal", "", told, "", *head, *rows]


def _classes(left_out: Sequence[LeftOut]) -> list[str]:
    rows = [
        f"| {one.honest_class} | {one.n_groups} | {one.n_accused} | {one.n_reviewed} | {one.n_people_accused} |"
        for one in left_out
    ]
    return [
        "## Without one class of honest groups",
        "",
        "Fitted to every third window without the class in any; its groups of the threshold windows, judged.",
        "",
        "| class left out | groups | accused | reviewed | people in accused groups |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def _spans(seeds: Sequence[int]) -> str:
    """Consecutive seeds as spans."""
    cuts = np.split(np.array(sorted(seeds)), np.flatnonzero(np.diff(sorted(seeds)) != 1) + 1)
    return ", ".join(f"{cut[0]} to {cut[-1]}" if cut.size > 1 else str(cut[0]) for cut in cuts if cut.size) or "none"

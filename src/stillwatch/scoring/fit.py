"""Fitting a calibration to groups that are known to be honest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.errors import CalibrationError
from stillwatch.scoring.calibration import (
    ALL_BANDS,
    ALL_FAMILIES,
    Calibration,
    Cell,
    Curve,
    Line,
    Lookalike,
    Ranks,
    Reduced,
    TailGroup,
)
from stillwatch.scoring.matrix import GroupMatrix, group_matrix
from stillwatch.scoring.scorer import DECIMALS, Evidence, scorer_of
from stillwatch.scoring.strength import settled_residuals, signal_weights, strength_of, volume_bands
from stillwatch.scoring.train import PlantedGroups, Reduction, train
from stillwatch.scoring.verdict import RESIDUAL_CAP
from stillwatch.stats.conformal import FloatArray, IntArray, ScaleCurve, fit_scale_curve, reduce_reference

MIN_GROUPS_FOR_CURVE: Final = 100
"""Fewer honest groups of a family than this have no curve of their own: quantiles of a bin would be noise."""
N_TAIL: Final = 1500
"""Honest groups kept with their strengths: far more than any alpha up to 1e-2 reaches in the shipped worlds."""
SIZE_BANDS: Final = (10, 30, 100, 300)
"""Lower ends of the size bands, a factor of three each, in which a deployment is compared with the shipped worlds."""
N_TOP_RANKS: Final = 500
"""Order statistics of each signal and band that are kept exactly; knots below give ranks on the strict side."""
MIN_GROUPS_FOR_BAND: Final = 500
"""Honest groups from which a band has ranks of its own (DESIGN section 6, step 5)."""


@dataclass(frozen=True, slots=True)
class HonestGroups:
    """Groups of honest people, from windows of one or more worlds.

    `groups`: group_id (unique over all windows), window_no, token_kind, proposal, n_accounts, n_exchanges,
    n_tests, honest_class.
    `signals`: group_id, signal, conservative_value.
    """

    groups: pa.Table
    signals: pa.Table

    def signal_names(self) -> tuple[str, ...]:
        """Names of the signals that have at least one value, ascending."""
        known = self.signals.filter(pc.is_finite(self.signals["conservative_value"]))
        return tuple(sorted(pc.unique(known["signal"]).to_pylist()))

    def matrix(self, signals: Sequence[str]) -> GroupMatrix:
        """The groups as a matrix, ordered by group id."""
        return group_matrix(self.groups, self.signals, signals)

    @property
    def windows(self) -> IntArray:
        """Window of each group, ordered by group id."""
        return np.asarray(self.groups.sort_by("group_id")["window_no"].to_numpy(), dtype=np.int64)


class FitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is not in the groups themselves: where they come from and how many people stood behind them.

    `reductions` are the kinds of evidence that a deployment may lack, each judged by itself.
    """

    kind: Literal["shipped", "fitted"]
    origin: str
    n_account_windows: int
    reductions: tuple[Reduction, ...] = ()


def fit(
    reference: HonestGroups, threshold: HonestGroups, options: FitOptions, planted: PlantedGroups | None = None
) -> Calibration:
    """The calibration in which `reference` says what honest signals look like and `threshold` what honest scores reach.

    With `planted` a boosting is fitted to its campaigns and makes the scores; else they are the label-free sum. All
    must come from disjoint worlds: a group ranked among itself scores too low, and a tail that a boosting was fitted to
    reaches less far than the next one. Every group of the first two is taken as honest and independent of the groups
    that will be judged, given its family and size.

    Raises:
        CalibrationError: a sample is empty, or no signal has a value.
    """
    signals = reference.signal_names()
    if not signals or not reference.groups.num_rows or not threshold.groups.num_rows:
        raise CalibrationError("a calibration needs honest groups with signals in both samples, got none; add windows")
    known = reference.matrix(signals)
    curves = _curves(known)
    residuals = settled_residuals(known, curves, reference.windows)
    ranks = _all_ranks(signals, residuals, known)
    fresh = threshold.matrix(signals)
    bare = Calibration(
        kind=options.kind,
        origin=options.origin,
        signals=signals,
        weights=signal_weights(signals),
        n_account_windows=options.n_account_windows,
        n_windows=len(np.unique(threshold.windows)),
        n_group_people=int(fresh.sizes.sum()),
        n_groups=len(fresh.sizes),
        size_q95=float(np.quantile(fresh.sizes, 0.95)),
        curves=curves,
        ranks=ranks,
        lookalikes=(),
        tail=(),
        mix=mix_of(fresh),
        boosting=train(planted, signals, curves, ranks) if planted else None,
    )
    judged = _judged(bare, residuals, reference.groups, threshold)
    possible = [one for one in options.reductions if one.keeps(judged.families).any()]
    reduced = tuple(_reduced(bare, judged, planted, one) for one in possible)
    return msgspec.structs.replace(_with_scores(bare, judged), reduced=reduced)


@dataclass(frozen=True, slots=True)
class _Judged:
    """The threshold groups with their evidence, and what honest classes there are."""

    evidence: Evidence
    families: NDArray[np.str_]
    labels: IntArray
    windows: IntArray
    names: list[str]
    centroids: list[tuple[float | None, ...]]

    def reduced(self, one: Reduction, signals: Sequence[str]) -> "_Judged":
        """What is left of it without a kind of evidence."""
        rows = one.keeps(self.families)
        has = np.array([signal not in one.lacks for signal in signals])
        evidence = self.evidence.only(has).take(rows)
        places = self.families[rows], self.labels[rows], self.windows[rows]
        return _Judged(evidence, *places, self.names, self.centroids)


def _reduced(bare: Calibration, judged: _Judged, planted: PlantedGroups | None, one: Reduction) -> Reduced:
    """What runs go by that lack a kind of evidence."""
    boosting = train(planted, bare.signals, bare.curves, bare.ranks, one) if planted else None
    seen = _with_scores(msgspec.structs.replace(bare, boosting=boosting), judged.reduced(one, bare.signals))
    lacks = tuple(signal for signal in bare.signals if signal in one.lacks)
    return Reduced(lacks=lacks, lookalikes=seen.lookalikes, tail=seen.tail, boosting=boosting)


def _judged(bare: Calibration, residuals: FloatArray, reference_groups: pa.Table, threshold: HonestGroups) -> _Judged:
    """The threshold groups by the curves and ranks of `bare`; classes have the `residuals` of the reference groups."""
    fresh = threshold.matrix(bare.signals)
    strength = strength_of(fresh, bare, threshold.windows)
    details = threshold.groups.sort_by("group_id")
    names = sorted({*reference_groups["honest_class"].to_pylist(), *details["honest_class"].to_pylist()})
    labels, known = _labels(details, names), _labels(reference_groups.sort_by("group_id"), names)
    centroids = []
    for place in range(len(names)):
        inside = residuals[known == place] if (known == place).any() else strength.residuals[labels == place]
        centroids.append(centroid_of(inside))
    return _Judged(strength.evidence, fresh.families, labels, threshold.windows, names, centroids)


def _with_scores(bare: Calibration, judged: _Judged) -> Calibration:
    """`bare` with its tail and classes, from the scores that its own scorer gives to the threshold groups."""
    scores = scorer_of(bare).scores(judged.evidence)
    return msgspec.structs.replace(
        bare,
        lookalikes=_lookalikes(judged.names, judged.centroids, scores, judged.labels, judged.evidence.sizes),
        tail=tail_groups(judged.evidence, scores, judged.families, judged.labels, judged.windows),
    )


def _curves(known: GroupMatrix) -> tuple[Curve, ...]:
    """One curve for each signal over all families, and one for each family that has enough groups."""
    families = [ALL_FAMILIES, *np.unique(known.families).tolist()]
    found = []
    for column, signal in enumerate(known.signals):
        for family in families:
            rows = ~np.isnan(known.values[:, column])
            if family != ALL_FAMILIES:
                rows &= known.families == family
                if rows.sum() < MIN_GROUPS_FOR_CURVE:
                    continue
            found.append(_curve(family, signal, known.values[rows, column], known.volumes[rows], known.sizes[rows]))
    return tuple(found)


def _curve(family: str, signal: str, values: FloatArray, volumes: FloatArray, sizes: IntArray) -> Curve:
    """Volume first: it moves most signals further than size does, and differs a thousandfold between equal groups."""
    volume = _line(fit_scale_curve(values, volumes))
    residuals = volume.scale_curve().standardise(values, volumes)
    return Curve(family=family, signal=signal, volume=volume, size=_line(fit_scale_curve(residuals, sizes)))


def _line(curve: ScaleCurve) -> Line:
    return Line(log_scales=_short(curve.log_scales), centres=_short(curve.centres), spreads=_short(curve.spreads))


def _all_ranks(signals: Sequence[str], residuals: FloatArray, known: GroupMatrix) -> tuple[Ranks, ...]:
    """Ranks of each signal over all groups, within each volume band, and within each family of it with enough groups.

    A signal at its ceiling is rare in one family and common in another, which no centre and spread levels out.
    """
    bands = volume_bands(known.volumes)
    found = []
    for column, signal in enumerate(signals):
        found.append(_ranks(signal, ALL_FAMILIES, ALL_BANDS, residuals[:, column]))
        for band in np.unique(bands).tolist():
            for family in (ALL_FAMILIES, *np.unique(known.families).tolist()):
                rows = (bands == band) & ((known.families == family) | (family == ALL_FAMILIES))
                own = residuals[rows, column]
                if np.count_nonzero(~np.isnan(own)) >= MIN_GROUPS_FOR_BAND:
                    found.append(_ranks(signal, family, band, own))
    return tuple(found)


def _ranks(signal: str, family: str, band: int, residuals: FloatArray) -> Ranks:
    reference = reduce_reference(np.array(_short(residuals)), n_top=N_TOP_RANKS)
    counts = tuple(reference.n_above.tolist())
    knots = tuple(reference.knots.tolist())
    return Ranks(signal=signal, family=family, band=band, n=reference.n, knots=knots, n_above=counts)


def _lookalikes(
    names: Sequence[str],
    centroids: Sequence[tuple[float | None, ...]],
    scores: FloatArray,
    labels: IntArray,
    sizes: IntArray,
) -> tuple[Lookalike, ...]:
    """The classes, with how high the scores of their threshold groups go."""
    return tuple(
        lookalike(name, centroid, scores[labels == place], sizes[labels == place])
        for place, (name, centroid) in enumerate(zip(names, centroids, strict=True))
    )


def lookalike(name: str, centroid: tuple[float | None, ...], scores: FloatArray, sizes: IntArray) -> Lookalike:
    """The class of groups with these scores and sizes; a class without any claims nothing about its scores."""
    return Lookalike(
        name=name,
        n_groups=len(scores),
        centroid=centroid,
        score_q99=round(float(np.quantile(scores, 0.99)), 4) if scores.size else 0.0,
        largest=int(sizes.max()) if scores.size else 0,
    )


def centroid_of(residuals: FloatArray) -> tuple[float | None, ...]:
    """Mean of each signal over the groups that have it, None where none has; residuals count RESIDUAL_CAP at most."""
    capped = np.clip(residuals, -RESIDUAL_CAP, RESIDUAL_CAP)
    counts = (~np.isnan(capped)).sum(axis=0)
    sums = np.nansum(capped, axis=0)
    return tuple(round(float(s / n), 4) if n else None for s, n in zip(sums, counts, strict=True))


def tail_groups(
    evidence: Evidence, scores: FloatArray, families: NDArray[np.str_], labels: IntArray, windows: IntArray
) -> tuple[TailGroup, ...]:
    """The highest-scoring groups, by falling score.

    A system prompt and its tools, sent by the same accounts in the same exchanges, are two groups and one crowd: of
    groups of one window with equal size and equal strength in every signal only the first is kept.
    """
    top = np.argsort(-scores, kind="stable")[: 2 * N_TAIL]
    log10s = np.round(evidence.log10s[top], DECIMALS)
    found = [
        TailGroup(
            window_no=int(windows[row]),
            class_no=int(labels[row]),
            family=str(families[row]),
            n_accounts=int(evidence.sizes[row]),
            volume=round(float(evidence.volumes[row]), DECIMALS),
            weight=1.0,
            log10_tests=round(float(evidence.log10_tests[row]), 3),
            strengths=tuple(log10s[place].tolist()),
        )
        for place, row in enumerate(top)
    ]
    first: dict[tuple[object, ...], TailGroup] = {}
    for group in found:
        first.setdefault((group.window_no, group.n_accounts, group.strengths), group)
    return tuple(first.values())[:N_TAIL]


def size_bands(sizes: IntArray) -> IntArray:
    """Size band of each group: 0 for up to 9 accounts, then up to 29, 99, 299, and 4 above."""
    return np.searchsorted(SIZE_BANDS, sizes, side="right").astype(np.int64)


def mix_of(matrix: GroupMatrix) -> tuple[Cell, ...]:
    """How many groups there are of each family and size band, in the order of both."""
    pairs = Counter(zip(matrix.families.tolist(), size_bands(matrix.sizes).tolist(), strict=True))
    return tuple(Cell(family=family, band=band, n_groups=n) for (family, band), n in sorted(pairs.items()))


def _labels(groups: pa.Table, names: Sequence[str]) -> IntArray:
    """Position of each group's class in `names`."""
    return np.asarray(pc.index_in(groups["honest_class"], value_set=pa.array(names)).to_numpy(), dtype=np.int64)


def _short(values: NDArray[np.float64]) -> tuple[float, ...]:
    """The values with five significant digits: more would be noise, and the file is part of the package."""
    return tuple(float(f"{value:.5g}") for value in values.tolist())

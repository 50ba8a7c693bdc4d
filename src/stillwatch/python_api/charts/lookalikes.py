"""Campaigns among the honest groups that come nearest to them."""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import numpy.typing as npt

from stillwatch.evidence.charts.style import GREY, ORANGE, TIER_COLOURS, TIERS, WIDTH, inline
from stillwatch.scoring import Calibration

SMALLEST_P: Final = 1e-6
"""A p value under this is drawn here: the reference has not enough groups to tell smaller ones apart."""

Reals = npt.NDArray[np.float64]


def lookalike_map(campaigns: Sequence[dict[str, Any]], calibration: Calibration) -> alt.VConcatChart:
    """`campaigns` are rows of CAMPAIGNS, `calibration` the one that judged them.

    Above: strengths (-log10 p by signal) of campaigns and of the calibration's highest-scoring honest groups, on the
    two directions in which the honest groups differ most; a signal that gave nothing to a campaign counts as 0. Below:
    each campaign's score beside the 99 % point of its nearest honest class.
    """
    return alt.vconcat(_map(campaigns, calibration), _margins(campaigns, calibration)).resolve_scale(
        color="independent", shape="independent"
    )


def _map(campaigns: Sequence[dict[str, Any]], calibration: Calibration) -> alt.LayerChart:
    honest = np.array([group.strengths for group in calibration.tail]).reshape(-1, len(calibration.signals))
    own = np.array([strengths(row, calibration.signals) for row in campaigns]).reshape(-1, len(calibration.signals))
    places, own_places = projected(honest, own)
    honest_rows = [
        {"class": calibration.lookalikes[group.class_no].name, "n_accounts": group.n_accounts, "x": x, "y": y}
        for group, (x, y) in zip(calibration.tail, places.tolist(), strict=True)
    ]
    own_rows = [
        {"campaign": row["campaign_id"], "tier": row["tier"], "n_accounts": row["n_accounts"], "x": x, "y": y}
        for row, (x, y) in zip(campaigns, own_places.tolist(), strict=True)
    ]
    x, y = alt.X("x:Q", title="first direction"), alt.Y("y:Q", title="second direction")
    crowd = (
        alt.Chart(inline(honest_rows))
        .mark_circle(size=14, opacity=0.55)
        .encode(
            x=x, y=y, color=alt.Color("class:N", title="honest class", scale=alt.Scale(scheme="category20")),
            tooltip=["class:N", alt.Tooltip("n_accounts:Q", format=",")],
        )
    )  # fmt: skip
    found = (
        alt.Chart(inline(own_rows))
        .mark_point(shape="diamond", size=130, filled=True, stroke="#222", color=ORANGE)
        .encode(x=x, y=y, tooltip=["campaign:N", "tier:N", alt.Tooltip("n_accounts:Q", format=",")])
    )
    said = f"{len(own_rows):,} campaigns (diamonds) and {len(honest_rows):,} highest-scoring honest groups (dots)"
    return alt.layer(crowd, found).properties(
        width=WIDTH, height=320, title=alt.Title("Where honest groups come near", subtitle=said)
    )


def _margins(campaigns: Sequence[dict[str, Any]], calibration: Calibration) -> alt.LayerChart:
    classes = [
        {"class": one.name, "score": one.score_q99, "n_groups": one.n_groups, "largest": one.largest}
        for one in calibration.lookalikes
    ]
    found = [
        {"class": row["nearest_lookalike"], **{name: row[name] for name in ("campaign_id", "tier", "score", "margin")}}
        for row in campaigns
    ]
    order = [row["class"] for row in sorted(classes, key=lambda row: -float(str(row["score"])))]
    y = alt.Y("class:N", sort=order, title=None)
    points = (
        alt.Chart(inline(classes))
        .mark_tick(thickness=3, color=GREY)
        .encode(x=alt.X("score:Q", title="score"), y=y, tooltip=["class:N", "score:Q", "n_groups:Q", "largest:Q"])
    )
    marks = (
        alt.Chart(inline(found))
        .mark_point(shape="diamond", size=90, filled=True)
        .encode(
            x="score:Q", y=y,
            color=alt.Color("tier:N", scale=alt.Scale(domain=list(TIERS), range=list(TIER_COLOURS))),
            tooltip=["campaign_id:N", "tier:N", "score:Q", "margin:Q"],
        )
    )  # fmt: skip
    return alt.layer(points, marks).properties(
        width=WIDTH, height=alt.Step(18),
        title="Campaigns beside the 99 % point of each honest class (tick), in the row of the nearest class",
    )  # fmt: skip


def strengths(campaign: dict[str, Any], signals: Sequence[str]) -> list[float]:
    """-log10 p of each of `signals`; 0 where the campaign does not name it."""
    p_values = dict(zip(campaign["signals"], campaign["signal_p_values"], strict=True))
    return [float(-np.log10(max(p_values.get(name, 1.0), SMALLEST_P))) for name in signals]


def projected(honest: Reals, own: Reals) -> tuple[Reals, Reals]:
    """Both `(n, n_signals)` on the first two principal directions of `honest`, `(n, 2)`; signs are fixed."""
    centre = honest.mean(axis=0) if len(honest) else np.zeros(honest.shape[1])
    _, _, directions = np.linalg.svd(honest - centre, full_matrices=False)
    axes = np.zeros((2, honest.shape[1]))
    axes[: min(2, len(directions))] = directions[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    return (honest - centre) @ axes.T, (own - centre) @ axes.T

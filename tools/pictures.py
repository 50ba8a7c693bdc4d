"""Draws the pictures of the documentation: `python tools/pictures.py stillwatch-demo docs/pictures`.

Everything in them comes from the workspace that `stillwatch demo` made and from the shipped calibration.
"""

import sys
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import vl_convert

from stillwatch.config import Config
from stillwatch.evidence.charts.style import BLUE, GREY, ORANGE, PALE, WIDTH, inline
from stillwatch.model.tables import TOKEN_USES
from stillwatch.python_api import Stillwatch
from stillwatch.python_api.charts.offline import specification
from stillwatch.scoring import Settings, shipped
from stillwatch.scoring.threshold import family_thresholds, honest_tail
from stillwatch.store.workspace import Workspace

CONTENT = "content"
"""The family of groups whose threshold is drawn: they share what accounts send."""


def slices(watch: Stillwatch, campaign_id: str) -> alt.Chart:
    """Exchanges of each account of the campaign, inside its evidence and outside, most evidence first."""
    days = watch.days(campaign_id).table
    sums = days.group_by("account_id", use_threads=False).aggregate([("n", "sum"), ("n_evidence", "sum")])
    ordered = sums.sort_by([("n_evidence_sum", "descending"), ("account_id", "ascending")]).to_pylist()
    rows = [
        {"account": place, "part": part, "place": order, "n": n}
        for place, row in enumerate(ordered)
        for order, (part, n) in enumerate(
            (("inside evidence", row["n_evidence_sum"]), ("everything else", row["n_sum"] - row["n_evidence_sum"]))
        )
    ]
    return (
        alt.Chart(inline(rows), width=WIDTH, height=200)
        .mark_bar()
        .encode(
            x=alt.X("account:O", axis=alt.Axis(labels=False, ticks=False), title=f"{len(ordered)} accounts"),
            y=alt.Y("n:Q", title="exchanges"),
            color=alt.Color(
                "part:N", title=None,
                scale=alt.Scale(domain=["inside evidence", "everything else"], range=[ORANGE, PALE]),
            ),
            order=alt.Order("place:Q"),
        )
    )  # fmt: skip


def exchangeability(watch: Stillwatch, campaign_id: str) -> alt.Chart:
    """Sorted volumes of slices with the campaign's system prompt beside an honest one of about as many accounts."""
    files = watch.workspace.lake.snapshot().files(TOKEN_USES)
    uses = pa.concat_tables(pq.read_table(file, schema=TOKEN_USES.schema, partitioning=None) for file in files)
    uses = uses.filter(pc.equal(uses["token_kind"], "system")).select(["account_id", "token", "n"])
    volumes = uses.group_by(["token", "account_id"], use_threads=False).aggregate([("n", "sum")])
    members = watch.members(campaign_id).table
    own = members.filter(pc.equal(members["token_kind"], "system"))["token"][0].as_py()
    theirs = pc.is_in(volumes["account_id"], value_set=pc.unique(members["account_id"]))
    honest = volumes.filter(pc.invert(pc.is_in(volumes["token"], value_set=pc.unique(volumes.filter(theirs)["token"]))))
    n_own = pc.sum(pc.equal(volumes["token"], own)).as_py()
    sizes = honest.group_by("token", use_threads=False).aggregate([("n_sum", "count")]).to_pylist()
    like = min(sizes, key=lambda row: (abs(row["n_sum_count"] - n_own), row["token"]))["token"]
    rows = []
    for name, token in (("the campaign's queue", own), ("honest users of one template", like)):
        sizes_of = np.sort(volumes.filter(pc.equal(volumes["token"], token))["n_sum"].to_numpy())[::-1]
        rows += [
            {"group": f"{name} ({len(sizes_of)} accounts)", "share": (place + 0.5) / len(sizes_of), "n": int(n)}
            for place, n in enumerate(sizes_of)
        ]
    return (
        alt.Chart(inline(rows), width=WIDTH, height=200)
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(
            x=alt.X("share:Q", title="accounts, most exchanges first", axis=alt.Axis(format="%")),
            y=alt.Y("n:Q", title="exchanges with the token", scale=alt.Scale(type="log")),
            color=alt.Color("group:N", title=None, sort=None, scale=alt.Scale(range=[ORANGE, BLUE]),
                            legend=alt.Legend(orient="top-right", direction="vertical", labelLimit=400)),
        )
    )  # fmt: skip


def threshold() -> alt.LayerChart:
    """Honest people per million accounts in content groups above each score, and both thresholds."""
    calibration = shipped()
    tail = honest_tail(calibration, np.ones(len(calibration.signals), dtype=np.bool_), settings=Settings())
    people, alpha = calibration.n_account_windows, Config().detect.alpha
    found = next(one for one in family_thresholds(tail, people=people, alpha=alpha) if CONTENT in one.families)
    own = tail.take(np.isin(tail.families, found.families))
    above = np.cumsum(own.people) / people * 1e6
    rows = [{"score": float(score), "people": float(n)} for score, n in zip(own.scores, above, strict=True)]
    marks = [
        {"score": found.review.score, "says": "review", "at": float(above.max())},
        {"score": found.to_accuse, "says": "accuse", "at": float(above.max())},
    ]
    x = alt.X("score:Q", title="score of the group", scale=alt.Scale(zero=False))
    line = (
        alt.Chart(inline(rows), width=WIDTH, height=200)
        .mark_line(interpolate="step-before", strokeWidth=2.5, color=BLUE)
        .encode(x=x, y=alt.Y("people:Q", title="honest people above, per million"))
    )
    rules = alt.Chart(inline(marks)).mark_rule(strokeDash=[4, 3], color=GREY, strokeWidth=2).encode(x="score:Q")
    words = alt.Chart(inline(marks)).mark_text(align="left", dx=5, dy=8).encode(x="score:Q", y="at:Q", text="says:N")
    return alt.layer(line, rules, words)


def main(demonstration: Path, folder: Path) -> None:
    """Draw every picture of the demonstration's first campaign into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {"STILLWATCH_KEYS": str(demonstration / "keys.json")}
    with Stillwatch(Workspace.open(demonstration / "workspace", environ=environ), Config()) as watch:
        campaign_id = watch.campaigns().table["campaign_id"][0].as_py()
        charts: dict[str, Any] = {
            "slices": slices(watch, campaign_id),
            "exchangeability": exchangeability(watch, campaign_id),
            "threshold": threshold(),
            "timeline": watch.charts.timeline(campaign_id),
            "waterfall": watch.charts.waterfall(campaign_id),
            "network": watch.charts.network(campaign_id),
        }
    for name, chart in charts.items():
        told = {**specification(chart), "background": "white", "padding": 20}
        (folder / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

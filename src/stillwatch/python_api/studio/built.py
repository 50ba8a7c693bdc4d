"""A campaign gathered into one page: what the charts draw and the tables list, with no text of any prompt."""

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import signals
from stillwatch.python_api.charts.offline import DRAW, STYLE, document, drawn, embedded
from stillwatch.python_api.rows import html_table, shown
from stillwatch.python_api.studio.listing import Listing, listing
from stillwatch.version import __version__

if TYPE_CHECKING:
    from stillwatch.python_api.opened import Stillwatch

SAYS: Final = {
    "timeline": "What its accounts sent on each day. Ends beside starts on one day are a hand-over; those on the "
    "window's first and last day are its ends.",
    "waterfall": "From what size and volume give, through what each signal adds or takes, to the score.",
    "network": "Discs are accounts, the larger the more; marks on the ring are the tokens that they share.",
    "lookalikes": "The campaigns of this run among the honest groups that come nearest to them.",
}
HEADINGS: Final = {
    "timeline": "When",
    "waterfall": "Why",
    "network": "How they are joined",
    "lookalikes": "What honest look-alikes do",
}
SUMMARY: Final = (
    "tier", "n_accounts", "n_exchanges", "input_tokens", "output_tokens", "first_seen_at", "last_seen_at",
    "capabilities", "score", "p_value", "q_value", "nearest_lookalike", "margin", "calibration", "calibration_id",
    "run_id",
)  # fmt: skip


def studio_page(watch: "Stillwatch", campaign_id: str, run_id: str | None = None) -> str:
    """The whole document. It holds account ids, so it is for those who may see them; it holds no prompt.

    Raises:
        UsageError: there is no such campaign in the run.
        EnvironmentFault: the `notebook` extra is not installed.
    """
    campaign = watch.campaign(campaign_id, run_id)
    run = str(campaign["run_id"])
    body = [
        f"<h1>Campaign {shown(campaign_id)}</h1>",
        f"<p>Written by stillwatch {shown(__version__)}. A finding is a reason to look, not a verdict of a court.</p>",
        html_table(["", ""], [[name.replace("_", " "), campaign[name]] for name in SUMMARY], caption="In short"),
        *(_figure(name, chart) for name, chart in _charts(watch, campaign_id, run).items()),
        *(_table(one) for one in _listings(watch, campaign, run)),
    ]
    script = resources.files("stillwatch.python_api.studio").joinpath("studio.js").read_text(encoding="utf-8")
    style = resources.files("stillwatch.python_api.studio").joinpath("studio.css").read_text(encoding="utf-8")
    return document(f"Campaign {campaign_id}", "".join(body), scripts=(DRAW, script), style=STYLE + style)


def _charts(watch: "Stillwatch", campaign_id: str, run_id: str) -> dict[str, Any]:
    charts = watch.charts
    return {
        "timeline": charts.timeline(campaign_id, run_id),
        "waterfall": charts.waterfall(campaign_id, run_id),
        "network": charts.network(campaign_id, run_id),
        "lookalikes": charts.lookalikes(run_id),
    }


def _figure(name: str, chart: Any) -> str:
    return f"<h2>{shown(HEADINGS[name])}</h2><p>{SAYS[name]}</p>{drawn(chart, name)}"


def _table(one: Listing) -> str:
    """A heading, a note and the rows as inert JSON; studio.js draws the table with its filters."""
    note = f"<p>{one.says}</p>" if one.says else ""
    place = f'<div class="rows" id="rows-{one.name}"></div>'
    return f"<h2>{shown(one.heading)}</h2>{note}{place}{embedded(one.document(), attribute='rows', name=one.name)}"


def _listings(watch: "Stillwatch", campaign: dict[str, Any], run_id: str) -> list[Listing]:
    campaign_id = str(campaign["campaign_id"])
    members = watch.members(campaign_id, run_id).table.drop_columns(["run_id", "campaign_id"])
    accounts = watch.accounts(run_id).table
    own = accounts.filter(pc.equal(accounts["campaign_id"], campaign_id)).drop_columns(["campaign_id", "p_value"])
    said = watch.workspace.state.judgements(None)
    about = pa.array([campaign_id, *own["account_id"].to_pylist()], pa.string())
    judged = said.filter(pc.is_in(said["subject_id"], value_set=about)).drop_columns(["judgement_id"])
    return [
        listing("signals", "What speaks against it, and what else could explain it", _signals(campaign)),
        listing("accounts", "Accounts", own, choose=("tier", "queue")),
        listing(
            "slices", "Evidence: slices of accounts", members, choose=("token_kind",),
            says="A slice is the part of one account's traffic that carries one token.",
        ),
        listing("judgements", "What people concluded", judged, choose=("verdict",)),
    ]  # fmt: skip


def _signals(campaign: dict[str, Any]) -> pa.Table:
    known = {signal.name: signal for signal in signals.catalog()}
    columns = (campaign["signals"], campaign["signal_contributions"], campaign["signal_p_values"])
    rows = [
        {
            "signal": name.replace("_", " "),
            "adds": by,
            "p_value": p_value,
            "high_means": known[name].high_means if name in known else "",
            "innocent_cause": known[name].innocent_cause if name in known else "",
        }
        for name, by, p_value in zip(*columns, strict=True)
    ]
    return pa.Table.from_pylist(rows)

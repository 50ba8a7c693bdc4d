"""The report's page: what the template shows, gathered from the workspace."""

from datetime import datetime
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from stillwatch import __version__
from stillwatch.cli.report.charts import timeline, waterfall
from stillwatch.cli.text import visible
from stillwatch.cli.words import CALIBRATION_SAYS

if TYPE_CHECKING:
    from stillwatch.python_api import Stillwatch

MEMBERS_SHOWN = 20


def page(watch: "Stillwatch", run_id: str | None) -> str:
    """The whole HTML document of one run."""
    from stillwatch.signals import catalog

    runs = [run for run in watch.runs().table.to_pylist() if run_id in (None, run["run_id"])]
    campaigns = watch.campaigns(run_id).table.to_pylist()
    run = runs[-1]
    environment = Environment(
        loader=PackageLoader("stillwatch.cli.report", "."), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(number=_number, moment=_moment, inert=lambda value: visible(str(value)), p=_p)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        run=run,
        campaigns=[_campaign(watch, campaign) for campaign in campaigns],
        timeline=timeline(
            [(c["campaign_id"], c["first_seen_at"], c["last_seen_at"]) for c in campaigns],
            run["window_start"],
            run["as_of"],
        ),
        batches=watch.batches().table.to_pylist(),
        signals=catalog(),
        calibrations=CALIBRATION_SAYS,
    )


def _campaign(watch: "Stillwatch", campaign: dict[str, object]) -> dict[str, object]:
    members = watch.members(str(campaign["campaign_id"]), str(campaign["run_id"])).table.to_pylist()
    names, contributions = campaign["signals"], campaign["signal_contributions"]
    assert isinstance(names, list)
    assert isinstance(contributions, list)
    baseline, score = float(str(campaign["baseline"])), float(str(campaign["score"]))
    return {
        **campaign,
        "waterfall": waterfall(names, contributions, baseline=baseline, score=score),
        "members": members[:MEMBERS_SHOWN],
        "n_members": len(members),
    }


def _number(value: int) -> str:
    return f"{value:,}"


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M}"


def _p(value: float) -> str:
    return f"{value:.2g}"

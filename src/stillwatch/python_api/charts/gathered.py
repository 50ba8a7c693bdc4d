"""The charts of one opened workspace."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillwatch.errors import EnvironmentFault

if TYPE_CHECKING:
    import altair as alt

    from stillwatch.python_api.opened import Stillwatch


class Charts:
    """Charts of a workspace's findings, as Altair objects; `run_id` None is the latest run.

    Needs the `notebook` extra.
    """

    def __init__(self, watch: "Stillwatch") -> None:
        try:
            import altair  # noqa: F401 - asked for before the first chart, to say how to get it
        except ImportError as error:
            raise EnvironmentFault("charts need Altair: pip install 'stillwatch[notebook]'") from error
        self._watch = watch

    def timeline(self, campaign_id: str, run_id: str | None = None) -> "alt.VConcatChart":
        """Exchanges a day inside and outside of evidence, and accounts that start and fall silent."""
        from stillwatch.python_api.charts.timeline import timeline

        return timeline(self._watch.days(campaign_id, run_id).table)

    def waterfall(self, campaign_id: str, run_id: str | None = None) -> "alt.LayerChart":
        """What each signal adds to the campaign's score."""
        from stillwatch.evidence.charts.waterfall import waterfall

        return waterfall(self._watch.campaign(campaign_id, run_id))

    def network(self, campaign_id: str, run_id: str | None = None) -> "alt.LayerChart":
        """The campaign's accounts and the tokens that join them."""
        from stillwatch.evidence.charts.network import network

        self._watch.campaign(campaign_id, run_id)
        return network(self._watch.members(campaign_id, run_id).table)

    def lookalikes(self, run_id: str | None = None) -> "alt.VConcatChart":
        """The run's campaigns among the honest groups that come nearest to them."""
        from stillwatch.python_api.charts.lookalikes import lookalike_map

        campaigns: list[dict[str, Any]] = self._watch.campaigns(run_id).table.to_pylist()
        return lookalike_map(campaigns, self._watch.calibration_of(run_id))

    def power(self, report: str | Path) -> "alt.VConcatChart":
        """The curves of a report of `stillwatch evaluate`, from its JSON file."""
        from stillwatch.python_api.charts.power import power

        return power(Path(report))

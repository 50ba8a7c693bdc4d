"""How the workspace itself stands: its health, the watch, the policy, holds, lists, and sessions of matching."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from stillwatch.api import paging
from stillwatch.api.bodies import Refused
from stillwatch.api.documents import one
from stillwatch.pipeline.health import examine
from stillwatch.pipeline.lifecycle import Custodian
from stillwatch.pipeline.response import Responder
from stillwatch.pipeline.screening import Screener
from stillwatch.python_api import Stillwatch
from stillwatch.store.outbox import Outbox
from stillwatch.store.watched import Watched

WAITING: Final = ("pending", "dead")


class Standing:
    """The routes of what the command line says of a workspace besides its findings."""

    def __init__(self, watch: Stillwatch, clock: Callable[[], datetime]) -> None:
        self._watch = watch
        self._clock = clock

    def add_to(self, router: APIRouter) -> None:
        """Add every route."""
        routes: tuple[tuple[str, Callable[..., Response]], ...] = (
            ("/v1/health", self.health),
            ("/v1/watch", self.watched),
            ("/v1/policy", self.policy),
            ("/v1/holds", self.holds),
            ("/v1/screening/lists", self.lists),
            ("/v1/matches", self.matches),
        )
        for path, handler in routes:
            router.add_api_route(path, handler, methods=["GET"], responses=one(), response_model=None)

    def health(self) -> Response:
        """What `stillwatch doctor` finds in the workspace, and what mends each fault."""
        return _rows([asdict(check) for check in examine(self._watch.workspace, self._watch.config, clock=self._clock)])

    def watched(self) -> Response:
        """The watch: its last run and failure, campaigns as they were announced, deliveries that are not done."""
        outbox = Outbox(self._watch.workspace.state)
        watched = Watched(self._watch.workspace.state, outbox)
        last, failed = watched.last(failed=False), watched.last(failed=True)
        deliveries = outbox.deliveries().to_pylist()
        return paging.whole(
            {
                "last_run_id": last.run_id if last else None,
                "last_run_at": last.at if last else None,
                "last_fault": failed.fault if failed else None,
                "last_fault_at": failed.at if failed else None,
                **{f"n_{status}": sum(row["status"] == status for row in deliveries) for status in WAITING},
                "campaigns": [asdict(campaign) for campaign in watched.campaigns()],
                "disabled": outbox.disabled().to_pylist(),
            }
        )

    def policy(self) -> Response:
        """The response policy that was applied last, as it was written."""
        policy = Responder(self._watch.workspace, self._watch.config, clock=self._clock).policy_in_force()
        if policy is None:
            raise Refused(409, "no policy was ever applied")
        return paging.whole({"policy": policy.body, "policy_digest": policy.digest})

    def holds(self) -> Response:
        """Holds in force: cases whose accounts are kept from erasure and retention."""
        keeper = Custodian(self._watch.workspace, self._watch.config, clock=self._clock)
        return _rows([asdict(hold) for hold in keeper.holds.standing(self._clock())])

    def lists(self) -> Response:
        """The lists that accounts are screened against: days of their snapshots, entries of the latest."""
        kept = Screener(self._watch.workspace, self._watch.config, clock=self._clock).snapshots
        return _rows(
            [{"list": name, "days": kept.days(name), "n_entries": len(kept.read(name))} for name in kept.latest()]
        )

    def matches(self) -> Response:
        """Sessions of private matching: with whom, how far they came, and what was counted; never a token."""
        return _rows(self._watch.sharing.matchmaker.matches.all().to_pylist())


def _rows(rows: list[dict[str, object]]) -> Response:
    return paging.whole({"rows": rows})

"""`watch`: detection on a schedule, announced once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.detect import moment
from stillwatch.cli.output import Format, Row, show_table, talk, write_json
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.config import Config
    from stillwatch.pipeline.watch import Round, Watch
    from stillwatch.response.webhooks import Rounds
    from stillwatch.store.workspace import Workspace

FAILED = 6


def watch(
    *,
    every: str | None = None,
    once: bool = False,
    as_of: str | None = None,
    status: bool = False,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """Detect again and again, say once what is new about campaigns, and keep decisions fresh.

    What is new goes to the log and, signed, to the webhook endpoints of the settings. SIGTERM ends the watch between
    two stages; the next start goes on. Exits with 6 when the one round of --once failed.

    Examples:
        stillwatch watch
        stillwatch watch --every 15m
        stillwatch watch --once --as-of 2026-05-01T12:00:00Z
        stillwatch watch --status

    Parameters
    ----------
    every
        Time between two rounds, as 15m, 1h or 1d; default: 1h.
    once
        One round and one attempt at each delivery that is due, then end.
    as_of
        With --once: the round's time instead of now; nothing from it on is seen.
    status
        Show what was announced and what waits for delivery; detects nothing.
    """
    if as_of is not None and not once:
        raise UsageError("--as-of is of one round; give it with --once")
    if status:
        _status(format, output)
        return 0
    stopping = threading.Event()
    with _opened(stopping, every) as (keeper, loop), told_to_stop(stopping):
        if not once:
            loop(stopping)
            return 0
        done = keeper.round(moment(as_of))
        _tell(done)
        _tell(keeper.deliver())
    if format == "json":
        write_json(
            {"ended": done.ended.value, "run_id": done.run_id, "n_events": done.n_events, "why": done.why}, output
        )
    return FAILED if done.ended.value in {"failed", "busy"} else 0


@contextmanager
def _opened(
    stopping: threading.Event, every: str | None
) -> "Iterator[tuple[Watch, Callable[[threading.Event], None]]]":
    """The watch over the workspace in force, and its loop."""
    from stillwatch import python_api
    from stillwatch.pipeline.schedule import keep_watch
    from stillwatch.pipeline.watch import Watch

    config = current().settings(watch__every=every).config
    with opened_workspace(config) as workspace:
        keeper = Watch(workspace, config, clock=python_api.now, is_over=stopping.is_set)

        def loop(over: threading.Event) -> None:
            keep_watch(
                keeper, config.watch, clock=python_api.now, wait=over.wait, is_over=over.is_set, tell=_tell,
            )  # fmt: skip

        yield keeper, loop


def opened_workspace(config: "Config") -> "Workspace":
    """The workspace, waiting for another writer as long as the watch's settings say."""
    from stillwatch.store.settings import Settings
    from stillwatch.store.workspace import Workspace

    return Workspace.open(
        current().workspace, settings=Settings(lock_seconds=config.watch.lock_seconds), state_url=config.state.url
    )


@contextmanager
def told_to_stop(stopping: threading.Event) -> "Iterator[None]":
    """Sets the event on SIGTERM and SIGINT."""
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(done: "Round | Rounds") -> None:
    from stillwatch.pipeline.watch import Round

    if not isinstance(done, Round):
        if done.n_delivered or done.n_failed or done.n_dead:
            talk(f"events delivered {done.n_delivered}, to be tried again {done.n_failed}, given up {done.n_dead}")
    elif done.run_id is not None:
        talk(f"run {done.run_id}: {done.n_events} events")
    else:
        talk(f"{done.ended.value}: {done.why}")


def _status(format: Format, output: Path | None) -> None:
    """The last run, campaigns as they were announced, and deliveries that are not done."""
    from stillwatch.store.outbox import Outbox
    from stillwatch.store.watched import Watched

    with opened_workspace(current().settings().config) as workspace:
        outbox = Outbox(workspace.state)
        watched = Watched(workspace.state, outbox)
        last, fault = watched.last(failed=False), watched.last(failed=True)
        known = watched.campaigns()
        waiting = [row for row in outbox.deliveries().to_pylist() if row["status"] != "delivered"]
        disabled = outbox.disabled().to_pylist()
    said: Row = {
        "last_run_id": last.run_id if last else None,
        "last_run_at": last.at if last else None,
        "last_fault": fault.fault if fault else None,
        "last_fault_at": fault.at if fault else None,
        "n_pending": sum(row["status"] == "pending" for row in waiting),
        "n_dead": sum(row["status"] == "dead" for row in waiting),
    }
    campaigns: list[Row] = [
        {
            "campaign_id": campaign.campaign_id, "tier": campaign.tier.value, "n_accounts": campaign.n_accounts,
            "last_seen_at": campaign.last_seen_at, "has_ended": campaign.has_ended,
        }
        for campaign in known
    ]  # fmt: skip
    if format == "table":
        show_table([said], list(said), output=output)
        show_table(campaigns, ["campaign_id", "tier", "n_accounts", "last_seen_at", "has_ended"], title="announced")
        shown = ["happened_at", "kind", "subject", "endpoint", "status", "n_attempts", "next_at", "last_fault"]
        show_table(waiting, shown, title="not delivered")
        show_table(disabled, ["endpoint", "disabled_at", "reason"], title="disabled endpoints")
    else:
        write_json({**said, "campaigns": campaigns, "deliveries": waiting, "disabled": disabled}, output)

"""`webhooks`: the endpoints that events go to."""

import secrets
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, talk, write_rows
from stillwatch.errors import UsageError

SECRET_BYTES = 32


def webhooks(
    action: Literal["list", "test", "retry", "secret"],
    endpoint: str | None = None,
    *,
    status: Literal["pending", "delivered", "dead"] | None = None,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """List deliveries, send a test event, try again what was given up, or make a signing secret.

    Examples:
        stillwatch webhooks secret
        stillwatch webhooks test
        stillwatch webhooks list --status dead
        stillwatch webhooks retry siem

    Parameters
    ----------
    endpoint
        The endpoint to try again; it is taken into use if it was disabled.
    status
        List deliveries of this status alone.
    """
    if action == "secret":
        from stillwatch.response.webhooks import new_secret

        sys.stdout.write(f"{new_secret(secrets.token_bytes(SECRET_BYTES))}\n")
        return 0
    if action == "test":
        return _test()
    if action == "retry":
        _retry(endpoint)
        return 0
    from stillwatch.store.outbox import Outbox

    with current().open() as watch:
        rows = Outbox(watch.workspace.state).deliveries(status)
    columns = ("happened_at", "kind", "subject", "endpoint", "status", "n_attempts", "next_at", "last_fault")
    write_rows(rows, format, output, columns=columns)
    return 0


def _test() -> int:
    from stillwatch import python_api
    from stillwatch.pipeline.watch import Watch

    with current().open() as watch:
        keeper = Watch(watch.workspace, watch.config, clock=python_api.now)
        n_endpoints = keeper.test()
        done = keeper.deliver()
    if not n_endpoints:
        raise UsageError("no endpoint is named in the settings; docs/watch.md shows how")
    talk(f"events delivered {done.n_delivered}, to be tried again {done.n_failed}, given up {done.n_dead}")
    return 0 if done.n_delivered and not done.n_failed + done.n_dead else 6


def _retry(endpoint: str | None) -> None:
    from stillwatch import python_api
    from stillwatch.store.outbox import Outbox

    if endpoint is None:
        raise UsageError("name the endpoint: stillwatch webhooks retry NAME")
    with current().open() as watch:
        n = Outbox(watch.workspace.state).retry(endpoint, python_api.now())
    talk(f"{n} deliveries to {endpoint} wait for the next round of `stillwatch watch`")

"""When the watch makes its rounds, and when it comes again after one that failed."""

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from stillwatch.config import WatchSettings
from stillwatch.errors import ConfigError
from stillwatch.pipeline.watch import Ended, Round, Stopped, Watch
from stillwatch.response import webhooks

_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_log = logging.getLogger(__name__)


def span(text: str) -> timedelta:
    """The time that `45s`, `15m`, `1h` or `1d` says.

    Raises:
        ConfigError: it says none.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no span of time such as 45s, 15m, 1h or 1d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def keep_watch(
    watch: Watch,
    settings: WatchSettings,
    *,
    clock: Callable[[], datetime],
    wait: Callable[[float], object],
    is_over: Callable[[], bool],
    tell: Callable[[Round | webhooks.Rounds], None],
) -> None:
    """Make rounds every `settings.every` and deliveries when they are due, until `is_over()`.

    `wait` sleeps for some seconds, or less when the watch is over. A round that failed or found the lake busy is
    repeated after a pause that doubles from round to round, up to `every`.
    """
    every = span(settings.every)
    next_at, n_faults = clock(), 0
    while not is_over():
        started_at = clock()
        if started_at >= next_at:
            try:
                done = watch.round()
            except Stopped as stopped:
                _log.info("%s", stopped)
                return
            tell(done)
            n_faults = n_faults + 1 if done.ended in {Ended.BUSY, Ended.FAILED} else 0
            next_at = started_at + _pause(n_faults, every, settings)
        tell(watch.deliver())
        due_at = watch.next_delivery_at()
        wake_at = next_at if due_at is None else min(next_at, due_at)
        wait(max(0.0, (wake_at - clock()).total_seconds()))


def _pause(n_faults: int, every: timedelta, settings: WatchSettings) -> timedelta:
    if not n_faults:
        return every
    doubled = settings.first_backoff_seconds * 2.0 ** min(n_faults - 1, 32)  # beyond it `every` holds anyway
    return min(every, timedelta(seconds=doubled))

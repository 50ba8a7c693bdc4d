"""Every suite by name."""

from typing import Final

from stillwatch.evaluate import (
    alarm,
    delay,
    detector,
    exposed,
    framing,
    frontier,
    joint,
    missing,
    quick,
    real,
    starscout,
    successors,
)
from stillwatch.evaluate.suite import Suite

SUITES: Final[dict[str, Suite]] = {
    suite.name: suite
    for suite in (
        quick.SUITE,
        frontier.SUITE,
        delay.SUITE,
        alarm.SUITE,
        detector.SUITE,
        missing.SUITE,
        framing.SUITE,
        joint.SUITE,
        successors.SUITE,
        real.SUITE,
        starscout.SUITE,
        exposed.SUITE,
    )
}

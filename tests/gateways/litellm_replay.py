"""The logger of the example in compressed time: a call counts from when it was first made. Runs inside the proxy."""

import os
from typing import Any

from litellm_stillwatch import StillwatchLogger

AT = "x-replayed-at"
"""Header of a replayed call: seconds since 1970."""


class Replay(StillwatchLogger):
    """Sends each call with the time that its header names."""

    def _take(self, kwargs: dict[str, Any]) -> None:
        payload = kwargs["standard_logging_object"]
        at = float(payload["metadata"]["requester_custom_headers"][AT])
        super()._take(kwargs | {"standard_logging_object": payload | {"startTime": at, "endTime": at + 1.0}})


logger = Replay(os.environ["STILLWATCH_URL"], os.environ["STILLWATCH_KEY"])

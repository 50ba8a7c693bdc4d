"""Which groups share a token that an indicator of a peer names."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stillwatch.model.window import Window


def holding(indicators: pa.Table, window: Window) -> pa.Table:
    """The INDICATORS that hold at some time of the window and are not revoked."""
    start, end = (pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in (window.start, window.end))
    begun = pc.less(indicators["valid_from"], end)
    lasting = pc.fill_null(pc.greater(indicators["valid_until"], start), fill_value=True)
    return indicators.filter(pc.and_(pc.and_(begun, lasting), pc.invert(indicators["revoked"])))


def named_groups(groups: pa.Table, indicators: pa.Table, window: Window) -> pa.Array:
    """Ids of the GROUPS whose shared token an indicator names; strata of such a token are among them."""
    told = holding(indicators, window).select(["token_kind", "token"])
    tokens = groups.select(["group_id", "token_kind", "token"])
    return tokens.join(told, ["token_kind", "token"], join_type="left semi")["group_id"].combine_chunks()


def is_among(group_ids: pa.Array, chosen: pa.Array) -> NDArray[np.bool_]:
    """Which of the groups are among the chosen ones."""
    return np.asarray(pc.is_in(group_ids, value_set=chosen).to_numpy(zero_copy_only=False), dtype=np.bool_)

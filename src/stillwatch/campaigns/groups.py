"""The groups that a campaign rests on, with all that their scores were made from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.campaigns.gather import Evidence
from stillwatch.campaigns.membership import Members
from stillwatch.engines import Engine
from stillwatch.model.stage import Run, Tables
from stillwatch.model.tables import CAMPAIGN_GROUPS


def group_table(run: Run, evidence: Evidence, members: Members, ids: Sequence[str], values: pa.Table) -> pa.Table:
    """CAMPAIGN_GROUPS rows; `values` are the `group_id, signal, conservative_value` of flagged groups."""
    inside = members.of_pairs(evidence.campaign, evidence.account)
    rows, first = np.unique(evidence.group[inside], return_index=True)
    campaign = evidence.campaign[inside][first]
    groups = evidence.groups.take(pa.array(rows))
    columns = {
        "run_id": pa.array([run.run_id] * len(rows), pa.string()),
        "campaign_id": pa.array([ids[number] for number in campaign.tolist()], pa.string()),
        "values": _values(groups, values),
    }
    named = {name: columns[name] if name in columns else groups[name] for name in CAMPAIGN_GROUPS.schema.names}
    order = [(name, "ascending") for name in CAMPAIGN_GROUPS.key]
    return pa.table(named, schema=CAMPAIGN_GROUPS.schema).sort_by(order)


def _values(groups: pa.Table, values: pa.Table) -> pa.Array:
    """The conservative value of each signal of each group, parallel to the column `signals`."""
    signals = groups["signals"].combine_chunks()
    owners = groups["group_id"].combine_chunks().take(pc.list_parent_indices(signals))
    wanted = pc.binary_join_element_wise(owners, pc.list_flatten(signals), "/")
    known = pc.binary_join_element_wise(values["group_id"], values["signal"], "/").combine_chunks()
    found = values["conservative_value"].combine_chunks().take(pc.index_in(wanted, value_set=known))
    sizes: npt.NDArray[np.int64] = pc.list_value_length(signals).to_numpy(zero_copy_only=False)
    return pa.ListArray.from_arrays(pa.array(np.append(0, sizes.cumsum()), pa.int32()), found)


def flagged_values(tables: Tables, engine: Engine) -> pa.Table:
    """`group_id, signal, conservative_value` of the run's flagged groups."""
    scores = tables["group_scores"]
    flagged = tables["group_signals"].semi_join(scores.filter(scores.tier != "none"), "group_id")
    return engine.to_arrow(flagged.select("group_id", "signal", "conservative_value"))

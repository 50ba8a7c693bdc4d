"""Several scenes in one run, and single days of a scene: what a day's exchanges alone say, whatever came before.

A run costs seconds however small its window is, so that many small scenes are put into one run: each one's accounts,
tokens and customers get names of their own. No group reaches over two scenes then. What a run compares with everybody
(the days on which members begin, the spread of a new model, the guard against another population) is compared with all
scenes together; of single days none of these has a row.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import Engine
from stillwatch.evaluate.labels import Truth
from stillwatch.evaluate.worlds import Scene
from stillwatch.model.tables import (
    ACCOUNT_DAYS,
    ACCOUNT_EVENTS,
    ACCOUNTS,
    GROUP_MEMBERS,
    GROUP_SIGNALS,
    GROUPS,
    TOKEN_USES,
)
from stillwatch.model.window import Window
from stillwatch.pipeline import detection_stages
from stillwatch.scoring import Calibration
from stillwatch.scoring.scorer import scorer_of
from stillwatch.scoring.threshold import accusable
from stillwatch.stats.conformal import FloatArray

NO_GROUP: Final = -np.inf
"""Score of a day without any group that could be accused."""
ODD: Final = 0x1E3779B97F4A7C15
"""Multiples of an odd number near 2**61 differ in many bits: tokens of different scenes do not meet."""
MARK_DIGITS: Final = 3
OWN_NAMES: Final = frozenset({"account_id", "org_id", "verified_owner", "event_id"})
OWN_HASHES: Final = frozenset(
    {
        "token", "email", "email_shape_hash", "phone", "name", "payment_fingerprint", "device_id",
        "signup_client_address", "signup_client_prefix",
    }
)  # fmt: skip
"""Columns by which accounts of two scenes could meet."""


def best_scores(
    days: Sequence[tuple[Scene, int]], calibration: Calibration, *, engine: Engine, config: Config
) -> FloatArray:
    """The highest score of a group that could be accused, for each of these days of scenes (0: a scene's first).

    Groups are proposed and judged from the day's exchanges alone. NO_GROUP for a day without such a group. The scenes
    begin on one day; there are at most 10**MARK_DIGITS days.
    """
    blocks = side_by_side([day_of(scene, day) for scene, day in days])
    run = blocks.run(config.detect.alpha)
    given = (TOKEN_USES, ACCOUNT_DAYS, ACCOUNTS, ACCOUNT_EVENTS)
    with engine.scope():
        tables = {table.name: engine.from_arrow(table, getattr(blocks, table.name)) for table in given}
        for stage in detection_stages(engine, config)[:2]:
            tables.update(stage.run({table.name: tables[table.name] for table in stage.reads}, run))
        members = tables[GROUP_MEMBERS.name]
        customers = engine.to_arrow(scoring.single_customer_groups(members, tables[ACCOUNTS.name]))
        places = engine.to_arrow(members.group_by("group_id").agg(marked=members.account_id.min())).sort_by("group_id")
        groups = engine.to_arrow(tables[GROUPS.name]).sort_by("group_id")
        signals = engine.to_arrow(tables[GROUP_SIGNALS.name])
    marks = pc.cast(pc.utf8_slice_codeunits(places["marked"], 0, MARK_DIGITS), pa.int64()).to_numpy()
    matrix = scoring.group_matrix(groups, signals, calibration.signals)
    strength = scoring.strength_of(matrix, calibration, marks)
    is_free = pc.invert(pc.or_(pc.is_in(groups["group_id"], value_set=customers["group_id"]), groups["is_mixed"]))
    rows = accusable(strength.evidence, strength.families, config.scoring) & np.asarray(is_free, dtype=bool)
    best = np.full(len(days), NO_GROUP)
    np.maximum.at(best, marks[rows], scorer_of(calibration).scores(strength.evidence)[rows])
    return best


def day_of(scene: Scene, day: int) -> Scene:
    """One day of the scene (0: its first) alone, moved to the scene's first day."""
    date, early = scene.window.start.date() + timedelta(days=day), timedelta(days=day)
    uses, active = (rows.filter(pc.equal(rows["day"], date)) for rows in (scene.token_uses, scene.account_days))
    known = scene.accounts.filter(pc.is_in(scene.accounts["account_id"], value_set=active["account_id"]))
    return replace(
        scene,
        token_uses=_earlier(uses, early),
        account_days=_earlier(active, early),
        accounts=_earlier(known, early),
        account_events=scene.account_events.slice(0, 0),
        window=Window(scene.window.start, scene.window.start + timedelta(days=1)),
    )


def side_by_side(scenes: Sequence[Scene]) -> Scene:
    """Scenes of one window as one scene whose parts share no account, no token and no customer.

    Account ids begin with the number of their scene, in MARK_DIGITS digits.
    """
    tables = {
        name: pa.concat_tables([_own(getattr(scene, name), number) for number, scene in enumerate(scenes)])
        for name in ("token_uses", "account_days", "accounts", "account_events")
    }
    truths = [scene.truth for scene in scenes]
    truth = Truth(
        *(
            pa.concat_tables([_own(getattr(one, name), number) for number, one in enumerate(truths)])
            for name in ("memberships", "campaigns", "managed")
        )
    )
    return replace(scenes[0], truth=truth, **tables)


def _earlier(rows: pa.Table, by: timedelta) -> pa.Table:
    """`rows` with every time and day moved."""
    columns = [
        pc.cast(pc.subtract(pc.cast(rows[field.name], pa.timestamp("s")), by), pa.date32())
        if pa.types.is_date(field.type)
        else pc.subtract(rows[field.name], by)
        if pa.types.is_timestamp(field.type)
        else rows[field.name]
        for field in rows.schema
    ]
    return pa.table(columns, schema=rows.schema)


def _own(rows: pa.Table, number: int) -> pa.Table:
    """`rows` with names and hashes that no other number has."""
    code = pa.scalar(number * ODD % 2**63, pa.int64())
    columns = [
        pc.binary_join_element_wise(f"{number:0{MARK_DIGITS}d}", rows[name], "/")
        if name in OWN_NAMES
        else pc.bit_wise_xor(rows[name], code)
        if name in OWN_HASHES
        else rows[name]
        for name in rows.column_names
    ]
    return pa.table(columns, schema=rows.schema)

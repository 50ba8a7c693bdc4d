"""Prompt templates as keyed sketches: those of a campaign, and own ones that a peer's sketch means."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines import Engine
from stillwatch.errors import ConfigError
from stillwatch.guard import Support
from stillwatch.sharing.case import Trait
from stillwatch.sharing.traits import keyed_sketch, template_shingles

if TYPE_CHECKING:
    import ibis.expr.types as ir

GROUP_KEY_BYTES: Final = 32
TEMPLATES_AT_MOST: Final = 5
"""Skeletons of a campaign that are sketched; the rest are variants of these."""
SKELETON: Final = "skeleton"


def group_key(named: str) -> bytes | None:
    """The sharing group's key in a file; None where none is named.

    Raises:
        ConfigError: the file cannot be read, or holds no key.
    """
    if not named:
        return None
    try:
        key = Path(named).read_bytes()
    except OSError as error:
        raise ConfigError(f"the sharing group's key {named} cannot be read ({type(error).__name__})") from error
    if len(key) != GROUP_KEY_BYTES:
        raise ConfigError(f"the sharing group's key {named} has {len(key)} bytes, not {GROUP_KEY_BYTES}")
    return key


def campaign_templates(
    members: pa.Table, records: "ir.Table", sketches: "ir.Table", key: bytes, *, engine: Engine
) -> list[Trait]:
    """The templates that most of a campaign's accounts share, as sketches under the group's key."""
    slices = members.filter(pc.equal(members["token_kind"], SKELETON))
    counted = slices.group_by("token").aggregate(
        [("account_id", "count_distinct"), ("first_seen_at", "min"), ("last_seen_at", "max")]
    )
    ordered = counted.sort_by([("account_id_count_distinct", "descending"), ("token", "ascending")])
    rows = {row["token"]: row for row in ordered.slice(0, TEMPLATES_AT_MOST).to_pylist()}
    shingles = template_shingles(sketches, list(rows), engine=engine)
    used = records.inner_join(sketches.select("record_key", "skeleton_hash"), "record_key")
    found = []
    for token, row in rows.items():
        if token not in shingles:
            continue
        mine = used.filter(used.skeleton_hash == token)
        n_all = engine.to_arrow(mine.aggregate(n=mine.account_id.nunique()))["n"][0].as_py()
        n = row["account_id_count_distinct"]
        support = Support(n, n / max(n, n_all), n_shingles=len(shingles[token]))
        times = row["first_seen_at_min"], row["last_seen_at_max"]
        found.append(Trait("sketch", keyed_sketch(shingles[token], key), support, *times))
    return found

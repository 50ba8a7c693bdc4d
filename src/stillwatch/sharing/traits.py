"""What accounts of a campaign share and others hardly have: networks, clients, resellers, addresses; in accounts."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from stillwatch.engines import Engine
from stillwatch.guard import Support
from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables import TEXT
from stillwatch.sharing.case import Trait, TraitKind

if TYPE_CHECKING:
    import ibis.expr.types as ir

FLAGGED = Table(
    name="flagged_accounts",
    made_by="sharing",
    key=("account_id",),
    home=Home.RUN,
    schema=pa.schema([column("account_id", TEXT, required=True)]),
)
"""Accounts of the campaign, so that the engine can compare them with everybody."""

COLUMNS: Final[dict[TraitKind, str]] = {"asn": "client_asn", "ja4": "tls_client_ja4", "reseller": "org_id"}
"""Where in the records each kind of trait stands in clear."""

SKETCH_HASHES: Final = 64
LEAST_COMMON: Final = 0.5
"""Share of a template's exchanges that a shingle has to be in: what is filled in differs from call to call."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A value with its accounts in the campaign and outside."""

    value: int | str
    n_flagged: int
    n_accounts: int
    first_seen_at: datetime
    last_seen_at: datetime

    @property
    def support(self) -> Support:
        """What stands behind the value."""
        return Support(self.n_flagged, self.n_flagged / self.n_accounts)


def adopted(records: "ir.Table", name: str, accounts: pa.Array, *, engine: Engine, most: int) -> list[Adopted]:
    """The `most` values of a column with the most accounts of the campaign; those of a single account are left out."""
    flagged = engine.from_arrow(FLAGGED, pa.table({"account_id": accounts}, schema=FLAGGED.schema))
    rows = records.filter(records.account_id.notnull(), records[name].notnull())
    uses = rows.group_by(value=rows[name], account_id=rows.account_id).agg(
        first=rows.start_time.min(), last=rows.start_time.max()
    )
    inside = uses.semi_join(flagged, "account_id")
    found = inside.group_by("value").agg(
        n_flagged=inside.count(), first=inside["first"].min(), last=inside["last"].max()
    )
    found = found.filter(found.n_flagged > 1)
    everybody = uses.semi_join(found, "value").group_by("value").agg(n_accounts=lambda t: t.count())
    joined = found.inner_join(everybody, "value").select("value", "n_flagged", "n_accounts", "first", "last")
    ordered = engine.to_arrow(joined).sort_by([("n_flagged", "descending"), ("value", "ascending")]).slice(0, most)
    return [
        Adopted(row["value"], row["n_flagged"], row["n_accounts"], row["first"], row["last"])
        for row in ordered.to_pylist()
    ]


def plain_traits(records: "ir.Table", accounts: pa.Array, *, engine: Engine, most: int) -> list[Trait]:
    """Networks, clients and resellers, whose names stand in the records themselves."""
    resold = records.filter(records.access_channel == "reseller")
    return [
        Trait(kind, str(found.value), found.support, found.first_seen_at, found.last_seen_at)
        for kind, name in COLUMNS.items()
        for found in adopted(resold if kind == "reseller" else records, name, accounts, engine=engine, most=most)
    ]


def keyed_sketch(shingles: list[int], key: bytes) -> str:
    """The SKETCH_HASHES smallest keyed hashes of a template's shingles, ascending, as hexadecimal.

    Whoever has the key can compute the sketch of a text and compare; the share of equal hashes estimates how much two
    templates have in common. Without the key nothing can be computed.

    References:
        Cohen, Kaplan (2007), Summarizing data using bottom-k sketches.
    """
    keyed = (
        hashlib.blake2b(f"{shingle:d}".encode(), digest_size=8, key=key, person=b"sw/sketch/1") for shingle in shingles
    )
    return ",".join(sorted(digest.hexdigest() for digest in keyed)[:SKETCH_HASHES])


def likeness(one: str, other: str) -> float:
    """The estimated share of shingles that two templates have in common, from their sketches under one key.

    Of the SKETCH_HASHES smallest hashes of both together, the share that both have; its standard deviation is at most
    0.06. Sketches under different keys have nothing in common.

    References:
        Cohen, Kaplan (2007), Summarizing data using bottom-k sketches, section 3.
    """
    mine, theirs = (set(sketch.split(",")) for sketch in (one, other))
    smallest = sorted(mine | theirs)[:SKETCH_HASHES]
    return sum(digest in mine and digest in theirs for digest in smallest) / len(smallest)


def template_shingles(sketches: "ir.Table", skeletons: list[int], *, engine: Engine) -> dict[int, list[int]]:
    """Shingles that at least LEAST_COMMON of a skeleton's prompts hold, ascending; skeletons without any are absent."""
    mine = sketches.filter(sketches.skeleton_hash.isin(skeletons)).select("skeleton_hash", "shingles")
    n_prompts = mine.group_by("skeleton_hash").agg(n_prompts=mine.count())
    spread = mine.select("skeleton_hash", shingle=mine.shingles.unnest())
    counted = spread.group_by("skeleton_hash", "shingle").agg(n=spread.count()).inner_join(n_prompts, "skeleton_hash")
    common = engine.to_arrow(counted.filter(counted.n >= LEAST_COMMON * counted.n_prompts))
    ordered = common.select(["skeleton_hash", "shingle"]).sort_by(
        [("skeleton_hash", "ascending"), ("shingle", "ascending")]
    )
    grouped = ordered.group_by("skeleton_hash", use_threads=False).aggregate([("shingle", "list")])
    return dict(zip(grouped["skeleton_hash"].to_pylist(), grouped["shingle_list"].to_pylist(), strict=True))

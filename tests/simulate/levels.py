"""The same small world at both levels: through ingest and features, and drawn directly."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.ingest import ingest_paths
from stillwatch.model.tables import ACCOUNT_DAYS, TOKEN_USES
from stillwatch.pipeline import refresh_features
from stillwatch.simulate import AggregateWorld, World, aggregate_world, simulate
from stillwatch.sources.canonical import SOURCE
from stillwatch.store.workspace import Workspace

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Levels:
    """One world, twice."""

    token_uses: pa.Table
    account_days: pa.Table
    truth: pa.Table
    aggregate: AggregateWorld


def both_levels(world: World, *, seed: int, folder: Path) -> Levels:
    """The world through canonical files, ingest and features, and at the aggregate level."""
    made = simulate(world, seed=seed, out_dir=folder / "simulated")
    config = Config()
    with Workspace.init(
        folder / "workspace", environ={"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "keys")}
    ) as workspace:
        ingest_paths(
            [made.exchanges], SOURCE, lake=workspace.lake, keys=workspace.keys, vault=None, settings=config.ingest,
            clock=lambda: NOON,
        )  # fmt: skip
        engine = open_engine("duckdb", config.engines)
        try:
            refresh_features(workspace.lake, engine=engine, config=config)
        finally:
            engine.close()
        snapshot = workspace.lake.snapshot()
        tables = {
            table: pa.concat_tables([pq.ParquetFile(path).read() for path in snapshot.files(table)])
            for table in (TOKEN_USES, ACCOUNT_DAYS)
        }
    return Levels(
        token_uses=tables[TOKEN_USES],
        account_days=tables[ACCOUNT_DAYS],
        truth=pq.read_table(made.truth),
        aggregate=aggregate_world(world, seed=seed),
    )


def shared_uses(token_uses: pa.Table, kind: str) -> pa.Table:
    """Uses of tokens of one kind that at least two accounts share."""
    uses = token_uses.filter(pc.equal(token_uses["token_kind"], kind))
    df = uses.group_by("token").aggregate([("account_id", "count_distinct")])
    shared = df.filter(pc.greater_equal(df["account_id_count_distinct"], 2))["token"]
    return uses.filter(pc.is_in(uses["token"], value_set=shared.combine_chunks()))


def group_statistics(uses: pa.Table, *, least: int) -> dict[tuple[str, ...], dict[str, float]]:
    """Statistics of each token's adopters, by its sorted members and their volumes.

    Tokens with fewer than `least` members are left out.

    volume_dispersion is ln(Var(n)/Mean(n) + 0.05) across members, hour_concentration the length of the mean hour
    vector, homogeneity ln(X2 / ((m - 1)(K - 1))) of members by occupied cells.
    """
    result = {}
    for token in pc.unique(uses["token"]):
        rows = uses.filter(pc.equal(uses["token"], token))
        members, account = np.unique(rows["account_id"].to_numpy(zero_copy_only=False), return_inverse=True)
        if len(members) >= least:
            volume = np.bincount(account, weights=rows["n"].to_numpy()).astype(int).astype(str)
            result[*members, *volume] = _statistics(rows, account, len(members))
    return result


def _statistics(rows: pa.Table, account: npt.NDArray[np.int64], n_members: int) -> dict[str, float]:
    volume = np.bincount(account, weights=rows["n"].to_numpy(), minlength=n_members)
    hours = _flat(rows["openings"])
    cells = _flat(rows["micro_cells"]) >> 4
    owner = np.repeat(account, pc.list_value_length(rows["micro_cells"]).to_numpy())
    return {
        "volume_dispersion": float(np.log(volume.var(ddof=1) / volume.mean() + 0.05)),
        "hour_concentration": float(np.abs(np.exp(2j * np.pi * hours / 24).mean())),
        "homogeneity": _homogeneity(owner, cells, n_members),
    }


def _flat(lists: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(pc.list_flatten(lists).to_numpy(), dtype=np.int64)


def _homogeneity(owner: npt.NDArray[np.int64], cells: npt.NDArray[np.int64], n_members: int) -> float:
    counts = np.zeros((n_members, 256))
    np.add.at(counts, (owner, cells), 1)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return float("nan")
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    return float(np.log(chi_square / ((counts.shape[0] - 1) * (counts.shape[1] - 1))))


def contents(table: pa.Table, column: str, accounts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sender (0, 1, ...) and value of each entry of a list column, of those `accounts` that have 8 entries or more."""
    rows = table.filter(pc.is_in(table["account_id"], value_set=accounts))
    _, account = np.unique(rows["account_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    owner, values = np.repeat(account, pc.list_value_length(rows[column]).to_numpy()), _flat(rows[column])
    enough = (np.bincount(owner) >= 8)[owner]
    return np.unique(owner[enough], return_inverse=True)[1], values[enough]


def self_reuse(owner: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> float:
    """Intra-member correlation of the values: 0 where two of one sender agree no more often than two of different ones.

    That of `signals.homogeneity`, written a second time: the excess of chi-square over its mean, by its slope.
    """
    _, place = np.unique(values, return_inverse=True)
    counts = np.zeros((owner.max() + 1, place.max() + 1))
    np.add.at(counts, (owner, place), 1)
    of_member, of_value, n = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    chi_square = float(((counts**2 / of_member[:, None]).sum(axis=0) * n / of_value).sum() - n)
    dof = len(of_value) - 1
    repeats = n - len(of_member) + 1 - (of_member**2).sum() / n
    return float((chi_square - (len(of_member) - 1) * dof * n / (n - 1)) / (dof * repeats))


def collisions(owner: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Probability that two values are equal: of one sender, and of different senders."""
    own, all_of_value = np.unique(owner * 2**15 + values, return_counts=True)[1], np.bincount(values)
    n_own, equal, own_equal = np.bincount(owner), _pairs(all_of_value), _pairs(own)
    own_pairs = _pairs(n_own)
    return own_equal / own_pairs, (equal - own_equal) / (_pairs(np.array([len(values)])) - own_pairs)


def _pairs(counts: npt.NDArray[np.int64]) -> float:
    return float((counts * (counts - 1.0)).sum())

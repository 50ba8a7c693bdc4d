"""What every peer is given: the exchanges, the accounts, and vectors of the prompts; never the truth."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
SECOND = 1_000_000
HEAD_WORDS = 8


@dataclass(frozen=True, slots=True)
class Actions:
    """Which account touched which target when: rows in the order of the exchanges, one for each kind of target.

    `seconds` count from the first exchange; targets are numbered from 0 to `n_targets`.
    """

    account: Ints
    target: Ints
    seconds: Reals
    n_accounts: int
    n_targets: int


class Telemetry:
    """The telemetry of one provider window, as a peer reads it.

    Accounts are those that sent something, in the order of their ids; exchanges are in the order of time.
    """

    def __init__(self, exchanges: pa.Table, accounts: pa.Table, folder: Path | None = None) -> None:
        """`folder` holds the vectors of the prompts; None where nobody asks for them."""
        order = [("start_time", "ascending"), ("source_record_id", "ascending")]
        self.exchanges = exchanges.sort_by(order)
        ids = pc.unique(self.exchanges["account_id"])
        self.account_ids: pa.Array = ids.take(pc.array_sort_indices(ids))
        self.accounts = accounts.take(pc.index_in(self.account_ids, value_set=accounts["account_id"].combine_chunks()))
        self._folder = folder

    @classmethod
    def read(cls, folder: Path) -> "Telemetry":
        """The telemetry of a world's folder."""
        return cls(ds.dataset(folder / "exchanges").to_table(), pq.read_table(folder / "accounts.parquet"), folder)

    @property
    def n_accounts(self) -> int:
        """How many accounts sent something."""
        return len(self.account_ids)

    @cached_property
    def account(self) -> Ints:
        """The account of each exchange, as its place in `account_ids`."""
        place = pc.index_in(self.exchanges["account_id"], value_set=self.account_ids)
        return np.asarray(place.to_numpy(), dtype=np.int64)

    @cached_property
    def seconds(self) -> Reals:
        """When each exchange began, in seconds since 1970."""
        return np.asarray(self.exchanges["start_time"].cast(pa.int64()).to_numpy() / SECOND, dtype=np.float64)

    @cached_property
    def prompt(self) -> Ints:
        """The prompt of each exchange, as its place among the distinct prompts (in the order of appearance)."""
        return codes(self.exchanges["prompt"])

    @cached_property
    def vectors(self) -> Vectors:
        """A vector of length 1 for each distinct prompt, (n_distinct, n_dimensions)."""
        return self._vectors("vectors")

    @cached_property
    def reference(self) -> Vectors:
        """Vectors of a sample of honest traffic of another window, (n_exchanges, n_dimensions)."""
        return self._vectors("reference")

    def _vectors(self, name: str) -> Vectors:
        assert self._folder is not None, "this telemetry has no vectors"
        return np.asarray(np.load(self._folder / f"{name}.npy"), dtype=np.float32)

    def actions(self, *kinds: str) -> Actions:
        """The exchanges as actions on targets; a kind is a column of the exchanges or `head`, the prompt's first words.

        Absent values are no target.
        """
        account, target, seconds, n_targets = [], [], [], 0
        for kind in kinds:
            values = heads(self.exchanges["prompt"]) if kind == "head" else self.exchanges[kind]
            number = codes(values)
            is_there = number >= 0
            account.append(self.account[is_there])
            target.append(number[is_there] + n_targets)
            seconds.append(self.seconds[is_there] - self.seconds[0])
            n_targets += int(number.max(initial=-1)) + 1
        return Actions(
            np.concatenate(account), np.concatenate(target), np.concatenate(seconds), self.n_accounts, n_targets
        )


def codes(values: pa.ChunkedArray) -> Ints:
    """Equal values have equal numbers, from 0 in the order of appearance; null is -1."""
    encoded = values.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def heads(prompts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first words of each prompt in lower case, with digits folded: what prompts of one template have in common."""
    folded = pc.replace_substring_regex(pc.utf8_lower(prompts), r"\d+", "0")
    words = pc.list_slice(pc.utf8_split_whitespace(folded), 0, HEAD_WORDS)
    return pc.binary_join(words, " ")

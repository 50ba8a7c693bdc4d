"""Prompts from Parquet files instead of the grammar."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.errors import UsageError
from stillwatch.simulate.keyed import Keys, choose, uniform

_COLUMNS = ("role", "kind", "text")


class LibraryMix(msgspec.Struct, frozen=True, kw_only=True):
    """How much comes from the files: the rest is grammar.

    `honest_from_campaign_kinds` is the share of honest file prompts that are drawn from the sets that campaigns use:
    honest customers code, plan and call tools too.
    """

    share: float = 1.0
    honest_from_campaign_kinds: float = 0.25


class PromptLibrary:
    """User prompts by use: `honest` from rows whose `kind` begins with `benign`, `campaign` from all other kinds."""

    def __init__(self, honest: Sequence[str] | pa.Array, campaign: Sequence[str] | pa.Array, mix: LibraryMix) -> None:
        self._honest = pa.array(honest, type=pa.string()) if not isinstance(honest, pa.Array) else honest
        self._campaign = pa.array(campaign, type=pa.string()) if not isinstance(campaign, pa.Array) else campaign
        self._mix = mix

    @classmethod
    def read(cls, folder: Path, mix: LibraryMix = LibraryMix()) -> "PromptLibrary":  # noqa: B008 - frozen
        """The rows with role `user` of every Parquet file under `folder` that has the columns role, kind and text.

        Raises:
            UsageError: there are no honest or no campaign prompts.
        """
        paths = [path for path in sorted(folder.rglob("*.parquet")) if set(_COLUMNS) <= set(pq.read_schema(path).names)]
        tables = [pq.read_table(path, columns=list(_COLUMNS)) for path in paths]
        if not tables:
            raise UsageError(f"no Parquet file with the columns {', '.join(_COLUMNS)} under {folder}")
        rows = pa.concat_tables([table.cast(pa.schema([(name, pa.string()) for name in _COLUMNS])) for table in tables])
        rows = rows.filter(pc.equal(rows["role"], "user"))
        benign = pc.starts_with(rows["kind"], "benign")
        honest, campaign = (rows.filter(mask)["text"].combine_chunks() for mask in (benign, pc.invert(benign)))
        if not len(honest) or not len(campaign):
            raise UsageError(f"{folder} needs user prompts of kind benign* and of other kinds; one of them is absent")
        return cls(honest, campaign, mix)

    def replace(self, body: pa.Array, item: Keys, *, is_campaign: npt.NDArray[np.bool_]) -> pa.Array:
        """`body` with the configured share replaced by file prompts; equal items get equal prompts."""
        borrows = uniform(item, 0x1B) < self._mix.honest_from_campaign_kinds
        from_campaign = is_campaign | borrows
        n_honest = len(self._honest)
        index = np.where(from_campaign, n_honest + choose(len(self._campaign), item, 1), choose(n_honest, item, 2))
        texts = pa.concat_arrays([self._honest, self._campaign]).take(pa.array(index))
        return pc.if_else(pa.array(uniform(item, 0x1C) < self._mix.share), texts, body)

"""Answers as they come: a file of `prompt_id` and `output`, one row an answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from stillwatch.errors import ProvenanceError

OPTIONAL = ("model", "tool_names", "sample_id", "outcome")


def read_table(path: Path, required: Sequence[str]) -> pa.Table:
    """The rows of a Parquet, JSONL or CSV file that has at least the `required` columns.

    Raises:
        ProvenanceError: the file cannot be read or a column is missing.
    """
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        elif path.suffix == ".csv":
            table = pyarrow.csv.read_csv(path)
        else:
            table = pyarrow.json.read_json(path, read_options=pyarrow.json.ReadOptions(block_size=64 << 20))
    except (OSError, pa.ArrowException) as error:
        raise ProvenanceError(f"{path} cannot be read as {path.suffix or 'JSONL'} ({type(error).__name__})") from error
    missing = [name for name in required if name not in table.column_names]
    if missing:
        raise ProvenanceError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names)}")
    return table


def read_answers(path: Path, *, needs_model: bool = False) -> pa.Table:
    """Answers: `prompt_id` (text), `output`, and what the file has of `model`, `tool_names` and `sample_id`.

    Rows that say what went wrong instead of answering (`outcome` other than `answered`) are left out. In a file with
    `turn` a row is one turn of a transcript; its turns become one answer.
    """
    table = read_table(path, ("prompt_id", "output", *(("model",) if needs_model else ())))
    if "outcome" in table.column_names:
        table = table.filter(pc.equal(table["outcome"], "answered"))
    if "turn" in table.column_names:
        table = _joined_turns(table)
    kept = table.select([name for name in ("prompt_id", "output", *OPTIONAL[:3]) if name in table.column_names])
    for name in ("prompt_id", "output", "model"):
        if name in kept.column_names:
            kept = kept.set_column(kept.column_names.index(name), name, kept[name].cast(pa.string()))
    return kept


def _joined_turns(table: pa.Table) -> pa.Table:
    """One row a transcript: its turns in order, their texts line by line and their tool calls one after the other."""
    whose = [name for name in ("prompt_id", "model", "sample_id") if name in table.column_names]
    ordered = table.sort_by([(name, "ascending") for name in (*whose, "turn")]).combine_chunks()
    begins = np.arange(ordered.num_rows) == 0
    for name in whose:
        column = ordered[name].combine_chunks()
        begins[1:] |= pc.not_equal(column[1:], column[:-1]).fill_null(False).to_numpy(zero_copy_only=False)
    starts = np.append(np.flatnonzero(begins), begins.size).astype(np.int32)
    joined = ordered.select(whose).take(starts[:-1])
    said = ordered["output"].combine_chunks().cast(pa.string()).fill_null("")
    joined = joined.append_column("output", pc.binary_join(pa.ListArray.from_arrays(starts, said), "\n"))
    if "tool_names" not in table.column_names:
        return joined
    calls = ordered["tool_names"].combine_chunks()
    counts = pc.list_value_length(calls).fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return joined.append_column("tool_names", pa.ListArray.from_arrays(ends[starts], calls.flatten()))


def first_answers(answers: pa.Table) -> pa.Table:
    """One answer a prompt: that of the lowest sample, the first of equals."""
    order = pa.array(range(answers.num_rows), pa.int64())
    keys = [("prompt_id", "ascending"), ("order", "ascending")]
    if "sample_id" in answers.column_names:
        keys.insert(1, ("sample_id", "ascending"))
    ordered = answers.append_column("order", order).sort_by(keys)
    ids = ordered["prompt_id"].combine_chunks()
    is_first = pc.not_equal(ids[1:], ids[:-1]) if len(ids) > 1 else pa.array([], pa.bool_())
    return ordered.filter(pa.concat_arrays([pa.array([True] * min(len(ids), 1)), is_first])).drop_columns(["order"])

"""Sketches of a batch of prompts: Arrow in, Arrow out."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.sketches.capability import asks, capabilities
from stillwatch.sketches.hashing import hash_texts
from stillwatch.sketches.kinds import KIND_MASK, LENGTH_SHIFT, PLAIN, QUOTED
from stillwatch.sketches.lexicon import Cue, cue_table
from stillwatch.sketches.rows import TextRows
from stillwatch.sketches.scanning import Buffers, scanned
from stillwatch.sketches.wordwork import sketch_rows

SKETCH_VERSION = 2
BLOCK_BYTES = 1 << 18  # texts worked on at a time, so that their words stay in the processor's cache
CELL_SHIFT = 4  # a cell is the first 8 of the 12 bits of a micro-cell
WEIGHT_FROM_LENGTH = (0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)  # short words are mostly grammar

SKETCH_SCHEMA = pa.schema(
    [
        pa.field("skeleton_hash", pa.int64()),
        pa.field("system_hash", pa.int64()),
        pa.field("tools_hash", pa.int64()),
        pa.field("shingles", pa.list_(pa.int64())),
        pa.field("materials", pa.list_(pa.int16())),
        pa.field("prompt_hash", pa.int64()),
        pa.field("cell", pa.int16()),
        pa.field("micro_cell", pa.int16()),
        pa.field("capability", pa.int16()),
        pa.field("asks_reasoning", pa.bool_()),
        pa.field("asks_grading", pa.bool_()),
        pa.field("n_chars", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class TextSketches:
    """What the kernel says of texts. Rows without text hold zeros, no shingles and no materials."""

    shingles: npt.NDArray[np.uint64]
    shingle_ends: npt.NDArray[np.int64]
    materials: npt.NDArray[np.int16]
    material_ends: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]  # (n_rows, 2): skeleton, prompt
    micro_cells: npt.NDArray[np.int16]
    cues: npt.NDArray[np.uint8]  # (n_rows, n_cues)
    marks: npt.NDArray[np.int64]  # (n_rows, 3): characters, code fences, code punctuation


def sketch_prompts(
    prompts: pa.StringArray, system_instructions: pa.StringArray, tool_definitions: pa.StringArray
) -> pa.RecordBatch:
    """Sketches of a batch (SKETCH_SCHEMA), one row for each prompt, in order.

    A null or empty prompt has null columns and empty lists of shingles and of materials; `system_hash` and `tools_hash`
    are null only where their own text is. The three arrays are of equal length.
    """
    rows = TextRows.of(prompts)
    sketches = sketch_texts(rows)
    system_hash = hash_texts(system_instructions)
    system_cues = _cues_of_repeated(system_instructions, system_hash)
    tools = TextRows.of(tool_definitions)
    codes = capabilities(sketches.cues, system_cues, sketches.marks, tools.stops > tools.starts)
    values = {
        "skeleton_hash": sketches.hashes[:, 0].view(np.int64),
        "prompt_hash": sketches.hashes[:, 1].view(np.int64),
        "cell": sketches.micro_cells >> CELL_SHIFT,
        "micro_cell": sketches.micro_cells,
        "capability": codes,
        "asks_reasoning": asks(sketches.cues, system_cues, Cue.ASKS_REASONING),
        "asks_grading": asks(sketches.cues, system_cues, Cue.ASKS_GRADING),
        "n_chars": sketches.marks[:, 0],
    }
    is_absent = rows.stops == rows.starts
    columns: dict[str, pa.Array] = {
        name: pa.array(column, type=SKETCH_SCHEMA.field(name).type, mask=is_absent, from_pandas=False)
        for name, column in values.items()
    }
    columns |= {
        "system_hash": system_hash,
        "tools_hash": hash_texts(tool_definitions),
        "shingles": _lists(sketches.shingles.view(np.int64), sketches.shingle_ends),
        "materials": _lists(sketches.materials, sketches.material_ends),
    }
    return pa.record_batch([columns[name] for name in SKETCH_SCHEMA.names], schema=SKETCH_SCHEMA)


def sketch_texts(rows: TextRows) -> TextSketches:
    """Sketches of texts, worked on block by block."""
    n_rows = rows.starts.size
    hashes = np.zeros((n_rows, 2), dtype=np.uint64)
    micro_cells = np.zeros(n_rows, dtype=np.int16)
    cues = np.zeros((n_rows, len(Cue)), dtype=np.uint8)
    marks = np.zeros((n_rows, 3), dtype=np.int64)
    ends = np.zeros((2, n_rows), dtype=np.int64)  # of shingles, of materials
    shingles, materials = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int16)]
    table, weights = cue_table(), word_weights()
    blocks = list(blocks_of(rows))
    buffers = Buffers.for_rows(*(rows.part(block) for block in blocks))
    for block in blocks:
        words = scanned(rows.part(block), buffers)
        marks[block] = words.marks
        sketch_rows(
            words.words, words.kinds, words.ends, words.marks[:, 0],
            weights, table.filter_bits, table.keys, table.values,
            buffers.kept, ends[0, block], buffers.materials, ends[1, block],
            hashes[block], micro_cells[block], cues[block],
        )  # fmt: skip
        n_shingles, n_materials = ends[:, block.stop - 1].tolist()
        shingles.append(buffers.kept[:n_shingles].copy())
        materials.append(buffers.materials[:n_materials].astype(np.int16))
        if block.start:
            ends[:, block] += ends[:, block.start - 1 : block.start]
    return TextSketches(
        np.concatenate(shingles), ends[0], np.concatenate(materials), ends[1], hashes, micro_cells, cues, marks
    )


@cache
def word_weights() -> npt.NDArray[np.uint64]:
    """Weight in the projections of each packed kind of word: plain and quoted words by length, others nothing."""
    packed = np.arange(256)
    weights = np.array(WEIGHT_FROM_LENGTH)[packed >> LENGTH_SHIFT]
    weighs = np.isin(packed & KIND_MASK, (PLAIN, QUOTED))  # a template's item often stands in quotes
    return np.where(weighs, weights, 0).astype(np.uint64)


def blocks_of(rows: TextRows) -> Iterator[slice]:
    """Runs of rows of about BLOCK_BYTES; a longer row may end its run."""
    n_rows = rows.starts.size
    block = np.cumsum(rows.stops - rows.starts) // BLOCK_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), n_rows]
    return (slice(start, stop) for start, stop in pairwise(bounds) if stop > start)


def _cues_of_repeated(texts: pa.Array, hashes: pa.Int64Array) -> npt.NDArray[np.uint8]:
    """Cue counts of each text, reading equal texts once (system instructions repeat)."""
    _, first, place = np.unique(hashes.fill_null(0).to_numpy(), return_index=True, return_inverse=True)
    distinct = sketch_texts(TextRows.of(texts.take(pa.array(first))))
    return distinct.cues[place]


def _lists(values: npt.NDArray[np.generic], ends: npt.NDArray[np.int64]) -> pa.ListArray:
    """Values laid end to end as an Arrow list column."""
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), ends)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))

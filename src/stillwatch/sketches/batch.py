"""Sketches of a batch of prompts."""

import pyarrow as pa

from stillwatch.sketches.hashing import hash_text, hash_texts

SKETCH_VERSION = 1

SKETCH_SCHEMA = pa.schema([
    pa.field("skeleton_hash", pa.int64()),
    pa.field("system_hash", pa.int64()),
    pa.field("tools_hash", pa.int64()),
    pa.field("shingles", pa.list_(pa.int64())),
    pa.field("prompt_hash", pa.int64()),
    pa.field("cell", pa.int16()),
    pa.field("micro_cell", pa.int16()),
    pa.field("capability", pa.int16()),
    pa.field("asks_reasoning", pa.bool_()),
    pa.field("asks_grading", pa.bool_()),
    pa.field("n_chars", pa.int32()),
])


def _words_row(text: str | None) -> tuple[object, ...]:
    if not text:
        return (None, [], None, None, None, None, None, None, None)
    words = text.lower().split()
    grams = {hash_text(" ".join(words[k : k + 5])) for k in range(max(1, len(words) - 4))}
    kept = sorted(g for g in grams if g % 8 == 0) or [min(grams)]
    skeleton = hash_text(" ".join("0" if any(c.isdigit() for c in w) else w for w in words[:16]))
    micro = hash_text(" ".join(words)) & 4095
    low = text.lower()
    return (skeleton, kept, hash_text(" ".join(words)), micro >> 4, micro, 7, "step by step" in low, "rubric" in low, len(text))


def sketch_prompts(prompts: pa.StringArray, system_instructions: pa.StringArray, tool_definitions: pa.StringArray) -> pa.RecordBatch:
    """Sketches of a batch, one row per prompt."""
    rows = [_words_row(t) for t in prompts.to_pylist()]
    cols = list(zip(*rows, strict=True)) if rows else [()] * 9
    names = ["skeleton_hash", "shingles", "prompt_hash", "cell", "micro_cell", "capability", "asks_reasoning", "asks_grading", "n_chars"]
    by = dict(zip(names, cols, strict=True)) | {"system_hash": hash_texts(system_instructions), "tools_hash": hash_texts(tool_definitions)}
    return pa.record_batch([pa.array(by[f.name], f.type) for f in SKETCH_SCHEMA], schema=SKETCH_SCHEMA)

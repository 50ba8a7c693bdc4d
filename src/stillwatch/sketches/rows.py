"""A text column as what a kernel reads: one byte buffer and where each row starts and stops."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TextRows:
    """Arrow text without Python objects: `content[starts[row]:stops[row]]` is the UTF-8 of a row."""

    content: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    is_null: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, texts: pa.Array) -> "TextRows":
        """View of an Arrow string array (string or large_string, sliced or whole; other types are cast)."""
        if not pa.types.is_large_string(texts.type):
            texts = texts.cast(pa.string())
        _, offset_buffer, content_buffer = texts.buffers()
        width = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
        if len(texts) == 0 or offset_buffer is None:
            offsets = np.zeros(1, dtype=np.int64)
        else:
            offsets = np.frombuffer(offset_buffer, dtype=width)[texts.offset : texts.offset + len(texts) + 1].astype(
                np.int64
            )
        content = np.frombuffer(content_buffer, dtype=np.uint8) if content_buffer else np.zeros(0, dtype=np.uint8)
        is_null = texts.is_null().to_numpy(zero_copy_only=False)
        # NOTE: Arrow lets a null row own bytes; nobody may read them.
        return cls(
            content=content, starts=offsets[:-1], stops=np.where(is_null, offsets[:-1], offsets[1:]), is_null=is_null
        )

    def part(self, rows: slice) -> "TextRows":
        """The same bytes, fewer rows."""
        return TextRows(self.content, self.starts[rows], self.stops[rows], self.is_null[rows])

"""What a notebook hands in: any data frame that speaks the Arrow C stream, and a mapping as a dictionary or a file."""

from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import pyarrow as pa

from stillwatch import sources
from stillwatch.sources import mapped

FieldRules = dict[str, object]
"""What the `[fields]` of a mapping file say, as a dictionary: canonical field -> column, or a table of rules."""
FRAME_SOURCE: Final = "frame"
"""What records of a data frame with a mapping are called where no other name was given."""


@runtime_checkable
class ArrowStream(Protocol):
    """A pyarrow table, a polars or pandas frame, a DuckDB relation, or anything else with an Arrow C stream."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The capsule of the stream."""
        ...


def as_table(frame: ArrowStream) -> pa.Table:
    """The frame's rows as an Arrow table; columns that can be shared are not copied."""
    table = pa.table(frame)
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            # NOTE: polars' categories are views, and Arrow has no kernel that takes from views.
            plain = [
                pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(pa.string()))
                for chunk in table.column(place).chunks
            ]
            table = table.set_column(
                place, field.name, pa.chunked_array(plain, pa.dictionary(field.type.index_type, pa.string()))
            )
    return table


def chosen_source(name: str, mapping: Path | FieldRules | None, settings: sources.Settings) -> sources.Source:
    """The source of that name; a dictionary of rules makes one.

    Raises:
        UsageError: there is no such source, or `mapped` came without a mapping.
        ConfigError: the mapping is unsound.
    """
    if isinstance(mapping, dict):
        return mapped.from_fields(mapping, name=FRAME_SOURCE if name in {"canonical", "mapped"} else name)
    return sources.chosen(name, mapping, settings)

"""Parsing bytes in tests."""

import io

from stillwatch.sources import Parsed, Source


def parse_bytes(source: Source, data: bytes, uri: str) -> list[Parsed]:
    """All chunks of `data`."""
    return list(source.parse(io.BytesIO(data), uri=uri))


def rows(chunks: list[Parsed]) -> list[dict[str, object]]:
    """All rows of chunks, without their line numbers."""
    return [
        {name: value for name, value in row.items() if name != "line_no"}
        for chunk in chunks
        for row in chunk.rows.to_pylist()
    ]


def reasons(chunks: list[Parsed]) -> list[str]:
    """Reasons of all rejects."""
    return [reject.reason for chunk in chunks for reject in chunk.rejects]

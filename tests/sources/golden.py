"""Hand-written samples of each format, and how their rows are written down."""

from collections.abc import Iterator
from pathlib import Path

from stillwatch.sources import Parsed, Source, mapped, source

FOLDER = Path(__file__).parent

"""Samples written by hand. The first lines of `openai` and `anthropic`, and `langfuse/sample.json`, are captures of the
genuine SDKs (capture_sdks.py); `langfuse` exports and `bedrock` have the documented shape and were not captured."""
FIXTURES = tuple(
    (folder, FOLDER / folder / sample)
    for folder, sample in (
        ("canonical", "sample.jsonl"),
        ("canonical", "sample.csv"),
        ("litellm", "sample.jsonl"),
        ("otlp", "sample.json"),
        ("envoy", "sample.jsonl"),
        ("mapped", "sample.jsonl"),
        ("openai", "sample.jsonl"),
        ("anthropic", "sample.jsonl"),
        ("langfuse", "sample.json"),
        ("langfuse", "sample.jsonl"),
        ("langfuse", "sample.csv"),
        ("bedrock", "sample.jsonl"),
    )
)


def source_of(folder: str) -> Source:
    """The source that a folder of fixtures belongs to."""
    return mapped.load(FOLDER / "mapped" / "mapping.toml") if folder == "mapped" else source(folder)


def chunks_of(folder: str, sample: Path) -> Iterator[Parsed]:
    """Chunks of one sample."""
    with sample.open("rb") as stream:
        yield from source_of(folder).parse(stream, uri=sample.name)


def rows_of(folder: str, sample: Path) -> list[dict[str, object]]:
    """Rows of one sample as JSON values, null columns left out."""
    return [plain(row) for chunk in chunks_of(folder, sample) for row in chunk.rows.to_pylist()]


def plain(row: dict[str, object]) -> dict[str, object]:
    """A row as JSON values: times as ISO text, null columns left out."""
    values = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    return {name: value for name, value in values.items() if value is not None}


def rejects_of(folder: str, sample: Path) -> list[dict[str, object]]:
    """Rejects of one sample: position, reason and detail."""
    rejects = [reject for chunk in chunks_of(folder, sample) for reject in chunk.rejects]
    return [{"line_no": reject.line_no, "reason": reject.reason, "detail": reject.detail} for reject in rejects]

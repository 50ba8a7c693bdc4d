"""The seam between telemetry formats and ingest: what a source hands over."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

import pyarrow as pa

from stillwatch.model.tables import TEXT, TEXTS, TIME

RAW_RECORDS: pa.Schema = pa.schema(
    [
        pa.field("line_no", pa.int64(), nullable=False),
        pa.field("source_record_id", TEXT),
        pa.field("call_id", TEXT),
        pa.field("call_aliases", TEXTS),
        pa.field("account_id", TEXT),
        pa.field("org_id", TEXT),
        pa.field("api_key_id", TEXT),
        pa.field("end_user_id", TEXT),
        pa.field("conversation_id", TEXT),
        pa.field("start_time", TIME),
        pa.field("end_time", TIME),
        pa.field("operation_name", TEXT),
        pa.field("provider_name", TEXT),
        pa.field("request_model", TEXT),
        pa.field("response_model", TEXT),
        pa.field("response_id", TEXT),
        pa.field("status", TEXT),
        pa.field("http_status_code", pa.int32()),
        pa.field("error_type", TEXT),
        pa.field("input_tokens", pa.int64()),
        pa.field("output_tokens", pa.int64()),
        pa.field("reasoning_output_tokens", pa.int64()),
        pa.field("cache_read_input_tokens", pa.int64()),
        pa.field("cache_creation_input_tokens", pa.int64()),
        pa.field("request_max_tokens", pa.int64()),
        pa.field("request_temperature", pa.float64()),
        pa.field("request_top_p", pa.float64()),
        pa.field("request_stream", pa.bool_()),
        pa.field("finish_reasons", TEXTS),
        pa.field("tool_definition_names", TEXTS),
        pa.field("tool_call_names", TEXTS),
        pa.field("client_address", TEXT),
        pa.field("client_asn", pa.int64()),
        pa.field("client_geo_country", TEXT),
        pa.field("user_agent_original", TEXT),
        pa.field("tls_client_ja3", TEXT),
        pa.field("tls_client_ja4", TEXT),
        pa.field("server_address", TEXT),
        pa.field("cloud_region", TEXT),
        pa.field("access_channel", TEXT),
        pa.field("content_capture", TEXT),
        pa.field("prompt", TEXT),
        pa.field("system_instructions", TEXT),
        pa.field("tool_definitions", TEXT),
        pa.field("output", TEXT),
        pa.field("attributes", TEXT),
    ]
)
"""One row per telemetry record as its source reports it: raw identity, raw text, nothing pseudonymised yet.

`call_aliases` are further names of the call, by which other systems' records may call it.
`prompt` is the text of the last user message; `attributes` is a JSON object of the source's allow-listed extra fields.
These rows exist only between a source and ingest; they are never stored.
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be read. Holds no value of the record: `detail` has names of fields and types only."""

    line_no: int
    reason: str
    detail: str
    n_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """One bounded chunk of a telemetry file.

    `rows` has the RAW_RECORDS schema; `n_records` = rows + rejects. `field_counts` counts, by the field's *name in the
    source*, the records that had it: unmapped fields are known by name, their values are dropped here.
    """

    rows: pa.RecordBatch
    rejects: tuple[Reject, ...] = ()
    field_counts: dict[str, int] = field(default_factory=dict)

    @property
    def n_records(self) -> int:
        """Records that this chunk accounts for."""
        return int(self.rows.num_rows) + len(self.rejects)


class Source(Protocol):
    """One telemetry format. Stateless: every call of `parse` reads one stream from its beginning.

    `identity_order` names the RAW_RECORDS columns that may serve as account, best first.
    `suffixes` are the file name endings that a folder of this source is searched for (`.jsonl`, `.jsonl.gz`, ...).
    `seek_suffixes` are those among them whose stream must be seekable (Parquet keeps its index at the end); for all
    others a stream that can only be read forward is enough. Members are read-only.
    """

    @property
    def name(self) -> str:
        """What `--source` and the records call it."""
        ...

    @property
    def version(self) -> str:
        """Version of the format that it was written against."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that belong to it."""
        ...

    @property
    def seek_suffixes(self) -> tuple[str, ...]:
        """Endings of files whose stream must be seekable."""
        ...

    @property
    def identity_order(self) -> tuple[str, ...]:
        """Columns that may serve as account, best first."""
        ...

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:
        """Yield the records of one uncompressed `stream` in chunks of bounded size, in file order.

        A bad record is a `Reject`. When reading the stream fails midway (damaged compression, lost mount), what was
        read before still counts and one `Reject` with reason `truncated_stream` closes it.

        Raises:
            SourceError: the file as a whole cannot be of this format.
        """
        ...


@runtime_checkable
class TableSource(Source, Protocol):
    """A source that reads tables in memory as well as files."""

    def parse_table(self, table: pa.Table, *, uri: str) -> Iterator[Parsed]:
        """Yield the rows of `table` in chunks of bounded size, in its order; `uri` is what messages call it.

        Raises:
            SourceError: the table as a whole cannot be of this format.
        """
        ...


def with_compressed(*suffixes: str) -> tuple[str, ...]:
    """Each suffix, followed by the same suffix for gzip and Zstandard files."""
    return tuple(suffix + packed for suffix in suffixes for packed in ("", ".gz", ".zst"))


def uncompressed_name(uri: str) -> str:
    """The file name in lower case without the ending of its compression: what tells the format of the content."""
    name = uri.lower()
    return next((name.removesuffix(packed) for packed in (".gz", ".zst", ".bz2") if name.endswith(packed)), name)

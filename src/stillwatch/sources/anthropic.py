"""Anthropic: logged pairs of request and reply of the Messages API, whole or streamed.

`input_tokens` of this API leaves out what was written to and read from the cache; here all input is added up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from stillwatch.sources.anthropic_messages import message_columns, whole_message
from stillwatch.sources.base import Parsed, with_compressed
from stillwatch.sources.chunks import parse_objects
from stillwatch.sources.documents import read_documents
from stillwatch.sources.jsonlines import decode_object
from stillwatch.sources.pairs import assembled, error_type, headers_of, pair_row, read_pair
from stillwatch.sources.records import Record, Row, allowed_attributes, first_present, mapping
from stillwatch.sources.settings import PairSettings
from stillwatch.sources.streams import SteadyStream

REQUIRED = ("source_record_id", "start_time")
REQUEST_ID = "request-id"


@dataclass(frozen=True, slots=True)
class Anthropic:
    """Reads one JSON object a call with `request` and `response`; lines, an array, or single objects."""

    settings: PairSettings = field(default_factory=PairSettings)
    name: str = "anthropic"
    version: str = "2.12"
    suffixes: tuple[str, ...] = with_compressed(".jsonl", ".ndjson", ".json")
    seek_suffixes: tuple[str, ...] = ()
    identity_order: tuple[str, ...] = ("account_id", "org_id", "api_key_id", "end_user_id")

    def parse(self, stream: BinaryIO, *, uri: str) -> Iterator[Parsed]:  # noqa: ARG002  # part of the seam
        """Yield one row a call, in file order."""
        documents = read_documents(SteadyStream(stream))
        yield from parse_objects(documents, decode_object, self._row, required=REQUIRED, tool=_api)

    def _row(self, record: Record) -> Row:
        pair, is_ended = assembled(read_pair(record), whole_message)
        reply = pair.reply
        row = pair_row(pair, self.settings, request_id_header=REQUEST_ID)
        error = first_present(error_type(reply), error_type(record))
        return row | message_columns(pair.request, reply) | {
            "org_id": first_present(row["org_id"], pair.answered.get("anthropic-organization-id")),
            "operation_name": first_present(row["operation_name"], "chat"),
            "provider_name": self.settings.provider_name or "anthropic",
            "error_type": error,
            "status": "error" if error else None if is_ended else "cancelled",
            "attributes": allowed_attributes({
                "anthropic_version": pair.sent.get("anthropic-version"), "request_id": pair.answered.get(REQUEST_ID),
                "service_tier": mapping(reply.get("usage")).get("service_tier"),
            }),
        }  # fmt: skip


SOURCE = Anthropic()


def _api(record: Record) -> tuple[object, object]:
    return "anthropic-api", headers_of(record, "request").get("anthropic-version")

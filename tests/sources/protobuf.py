"""OTLP/JSON -> protobuf: protobuf's own JSON form has ids in base64, OTLP has them in hexadecimal."""

import base64
import json

from google.protobuf.json_format import Parse

ID_FIELDS = ("traceId", "spanId", "parentSpanId")


def message_of(document: dict[str, object], request_type: type) -> bytes:
    """The serialised export request of an OTLP/JSON document."""
    return bytes(Parse(json.dumps(_with_base64_ids(document)), request_type()).SerializeToString())


def _with_base64_ids(value: object) -> object:
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in ID_FIELDS else _with_base64_ids(item)
        for key, item in value.items()
    }

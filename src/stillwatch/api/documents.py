"""The parts of the OpenAPI document that are made from the floor plan, so that it cannot say something else."""

from typing import Any, Final

import pyarrow as pa

from stillwatch.api.exporting import MEDIA_TYPES
from stillwatch.api.paging import JSON

_KINDS: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "int64": {"type": "integer", "format": "int64"},
    "int32": {"type": "integer", "format": "int32"},
    "double": {"type": "number"},
    "bool": {"type": "boolean"},
    "date32[day]": {"type": "string", "format": "date"},
    "timestamp[us, tz=UTC]": {"type": "string", "format": "date-time"},
}
ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": words, "content": {"application/json": {"schema": ERROR}}}
    for status, words in (
        (400, "The call or its cursor is wrong"),
        (401, "No valid API key"),
        (403, "The key's role may not do that"),
        (404, "There is no such thing"),
        (409, "Nothing is there yet"),
        (410, "The cursor's row is gone"),
        (422, "A parameter or the body has the wrong form"),
        (429, "Too many calls; see Retry-After"),
    )
}


def arrow_and_json(schema: pa.Schema) -> dict[int | str, dict[str, Any]]:
    """The answers of a listing whose rows have `schema`."""
    page = {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": row_schema(schema)},
            "next": {"type": ["string", "null"], "description": "`cursor` of the next page; null on the last"},
            "total": {"type": "integer", "description": "rows that pass the filters"},
            "at": {"type": "integer", "description": "place of the first row among them"},
        },
        "required": ["rows", "next"],
    }
    files = {
        kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
    }
    contents = files | {JSON: {"schema": page}}
    return {200: {"description": "One page of rows, or all of them as a file", "content": contents}, **ERRORS}


def one() -> dict[int | str, dict[str, Any]]:
    """The answers of a route that returns one object."""
    return {
        200: {"description": "The object", "content": {"application/json": {"schema": {"type": "object"}}}},
        **ERRORS,
    }


def row_schema(schema: pa.Schema) -> dict[str, Any]:
    """JSON schema of a row; descriptions and units are those of the floor plan. Other columns may be added later."""
    return {"type": "object", "properties": {column.name: _column(column) for column in schema}}


def _column(column: pa.Field) -> dict[str, Any]:
    if pa.types.is_list(column.type):
        found: dict[str, Any] = {"type": "array", "items": dict(_KINDS[str(column.type.value_type)])}
    else:
        found = dict(_KINDS[str(column.type)])
    if column.nullable:
        found["type"] = [found["type"], "null"]
    said = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
    words = ", ".join(said[key] for key in ("note", "unit") if key in said)
    return found | {"description": words} if words else found

"""Who may call the server, and what was refused or written."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, TEXT, TIME

API_KEYS = Table(
    name="api_keys",
    made_by="store",
    key=("key_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("key_id", TEXT, "public part of the key", required=True),
            column("role", TEXT, "ingest, analyst, responder, admin or peer", required=True),
            column("name", TEXT, "who holds it, in words", required=True),
            column("digest", pa.binary(), "keyed BLAKE2b-256 of the secret part", required=True),
            column("created_at", TIME, required=True),
            column("expires_at", TIME, "null when it does not expire"),
            column("revoked_at", TIME, "null while it is valid"),
        ]
    ),
)

AUDIT_ENTRIES = Table(
    name="audit_entries",
    made_by="store",
    key=("audit_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("audit_id", TEXT, "ascending in time", required=True),
            column("at", TIME, "first of the calls", required=True),
            column("key_id", TEXT, "null when the caller showed no known key"),
            column("role", TEXT, "of the key"),
            column("method", TEXT, required=True),
            column("route", TEXT, "the route's template, never the path that was called", required=True),
            column("status", COUNT, "HTTP status of the answer", required=True),
            column("subject", TEXT, "what was written, where it has a name"),
            column("n", COUNT, "equal calls of one second", unit="calls", required=True),
        ]
    ),
)

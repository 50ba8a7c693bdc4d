"""What sharing writes: what left or came in, every decision about it, what peers sent, and what a collection holds."""

import pyarrow as pa

from stillwatch.model.table import Home, Table, column
from stillwatch.model.tables.kinds import COUNT, HASH, TEXT, TIME

DISCLOSURES = Table(
    name="disclosures",
    made_by="sharing",
    key=("record_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("record_id", TEXT, required=True),
            column("at", TIME, required=True),
            column("direction", TEXT, "out, in, or through from one peer to others", required=True),
            column("peer", TEXT, "who got or sent it", required=True),
            column("channel", TEXT, "file or taxii", required=True),
            column("asked_profile", TEXT, required=True),
            column("profile", TEXT, "what the asked profile fell back to, or itself", required=True),
            column("basis", TEXT, "legal basis in force", required=True),
            column("approver", TEXT, "null when nobody had to approve"),
            column("policy_digest", TEXT, "SHA-256 of the policy's text", required=True),
            column("n_offered", COUNT, unit="objects", required=True),
            column("n_passed", COUNT, unit="objects", required=True),
        ]
    ),
)

GUARD_DECISIONS = Table(
    name="guard_decisions",
    made_by="sharing",
    key=("record_id", "decision_no"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("record_id", TEXT, "into disclosures", required=True),
            column("decision_no", COUNT, required=True),
            column("object_no", COUNT, "place of the object in what was offered", required=True),
            column("object_id", TEXT, "empty when the object had no proper id", required=True),
            column(
                "path",
                TEXT,
                "of the field; empty for the object as a whole, ? for a name that is no word",
                required=True,
            ),
            column("field_class", TEXT, required=True),
            column("outcome", TEXT, "allow, transform or drop", required=True),
            column("rule", TEXT, "which rule decided, and why it dropped", required=True),
        ]
    ),
)

INDICATORS = Table(
    name="indicators",
    made_by="sharing",
    key=("indicator_id", "kind", "value"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("indicator_id", TEXT, "STIX id of the peer's indicator", required=True),
            column("peer", TEXT, required=True),
            column("kind", TEXT, "asn, address, ja4 or sketch; else a token kind that both hold", required=True),
            column(
                "value",
                TEXT,
                "the network's number, the client's fingerprint, the sketch; else the token here",
                required=True,
            ),
            column("token_kind", TEXT, "token_uses kind that the indicator matches; null when none"),
            column("token", HASH, "token that the indicator matches here; null when none"),
            column("confidence", COUNT, "0 to 100 as the peer said; null when it said nothing"),
            column("valid_from", TIME, required=True),
            column("valid_until", TIME, "null: no end"),
            column("revoked", pa.bool_(), required=True),
            column("modified", TIME, required=True),
            column("record_id", TEXT, "into disclosures: how it came in", required=True),
        ]
    ),
)

SHELVED_OBJECTS = Table(
    name="shelved_objects",
    made_by="sharing",
    key=("collection_id", "seq"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("collection_id", TEXT, required=True),
            column("seq", COUNT, "order of arrival, without gaps but for what was deleted", required=True),
            column("object_id", TEXT, required=True),
            column("version", TIME, "modified, else created, else when it was added", required=True),
            column("stix_type", TEXT, required=True),
            column("spec_version", TEXT, required=True),
            column("added_at", TIME, "strictly increasing within a collection", required=True),
            column("body", TEXT, "canonical JSON as the guard cleared it", required=True),
            column("record_id", TEXT, "into disclosures: how it got here", required=True),
        ]
    ),
)

TAXII_STATUSES = Table(
    name="taxii_statuses",
    made_by="sharing",
    key=("status_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("status_id", TEXT, required=True),
            column("peer", TEXT, "who sent the message; nobody else may read its status", required=True),
            column("at", TIME, required=True),
            column("body", TEXT, "the status resource as JSON; it holds ids and versions, no content", required=True),
        ]
    ),
)

MATCHINGS = Table(
    name="matchings",
    made_by="sharing",
    key=("session_id",),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("session_id", TEXT, required=True),
            column("peer", TEXT, "the other laboratory", required=True),
            column("is_asking", pa.bool_(), "whether this side made the offer", required=True),
            column("token_kind", TEXT, "what is compared", required=True),
            column("status", TEXT, "open, counted, revealed, refused or canary", required=True),
            column("counted", TEXT, "items that both hold; below the agreed number only that it is below"),
            column("n_own", COUNT, unit="items", required=True),
            column("n_peer", COUNT, "points that the other side sent, padding included", unit="points", required=True),
            column("fault", TEXT, "why it was refused; null otherwise"),
            column("started_at", TIME, required=True),
            column("updated_at", TIME, required=True),
            column("sealed", pa.binary(), "the session with its secrets, sealed; null once it was forgotten"),
        ]
    ),
)

SHARING_CURSORS = Table(
    name="sharing_cursors",
    made_by="sharing",
    key=("peer", "collection_id", "direction"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("peer", TEXT, "address of the peer's API root", required=True),
            column("collection_id", TEXT, required=True),
            column("direction", TEXT, "in or out", required=True),
            column("added_after", TEXT, "the peer's own date_added of the last object that was taken", required=True),
            column("at", TIME, required=True),
        ]
    ),
)

"""What ingest writes: records, sketches, accounts, batches, and the view that folds records to exchanges."""

import pyarrow as pa

from stillwatch.model.table import Home, Partition, Table, column
from stillwatch.model.tables.kinds import COUNT, DAY, FLAG, HASH, REAL, TEXT, TEXTS, TIME

EXCHANGE_RECORDS = Table(
    name="exchange_records",
    made_by="ingest",
    key=("source", "source_record_id"),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, "UTC day of start_time", required=True),
            column("source", TEXT, "telemetry format that reported the record", required=True),
            column("source_record_id", TEXT, "the record's own id in its source", required=True),
            column("record_key", HASH, "hash of source and source_record_id", required=True),
            column(
                "exchange_key",
                HASH,
                "hash of call_id, else the record_key: equal for records of one call",
                required=True,
            ),
            column("ingest_batch_id", TEXT, required=True),
            column("ingested_at", TIME, required=True),
            column("call_id", TEXT, "what joins the records of one call"),
            column(
                "alias_keys",
                pa.list_(HASH),
                "hashes of further names of the call, from a record that knows several: records whose call_id is one of "
                "them are of the same call",
            ),
            column(
                "account_id",
                TEXT,
                "first present of the source's identity order; an alias if it looked like an address",
            ),
            column("org_id", TEXT),
            column("api_key_id", TEXT, "an id or hash of the key, never the key"),
            column("end_user_id", TEXT),
            column("conversation_id", TEXT),
            column("start_time", TIME, required=True),
            column("end_time", TIME),
            column("operation_name", TEXT, "chat, embeddings, ... as OpenTelemetry names them"),
            column("provider_name", TEXT),
            column("request_model", TEXT),
            column("response_model", TEXT),
            column("response_id", TEXT),
            column("status", TEXT, "ok, error, blocked or cancelled", required=True),
            column("http_status_code", pa.int32()),
            column("error_type", TEXT),
            column("input_tokens", COUNT, "all input, cached included", unit="tokens"),
            column("output_tokens", COUNT, unit="tokens"),
            column("reasoning_output_tokens", COUNT, unit="tokens"),
            column("cache_read_input_tokens", COUNT, unit="tokens"),
            column("cache_creation_input_tokens", COUNT, unit="tokens"),
            column("request_max_tokens", COUNT, unit="tokens"),
            column("request_temperature", REAL),
            column("request_top_p", REAL),
            column("request_stream", FLAG),
            column("finish_reasons", TEXTS),
            column("tool_definition_names", TEXTS),
            column("tool_call_names", TEXTS),
            column("client_address", HASH, "keyed pseudonym"),
            column("client_prefix", HASH, "keyed pseudonym of the /24 or /48"),
            column("client_asn", pa.int64()),
            column("client_geo_country", TEXT, "for screening only, never a feature of detection"),
            column("user_agent_original", TEXT),
            column("tls_client_ja3", TEXT),
            column("tls_client_ja4", TEXT),
            column("tls_client_ja4_hash", HASH, "text hash of tls_client_ja4"),
            column("server_address", TEXT),
            column("cloud_region", TEXT),
            column("access_channel", TEXT, "first_party, marketplace or reseller"),
            column("content_capture", TEXT, "full, truncated, redacted, hash_only or none", required=True),
            column("system_instructions_ref", TEXT, "into contents"),
            column("input_messages_ref", TEXT, "into contents"),
            column("output_messages_ref", TEXT, "into contents"),
            column("tool_definitions_ref", TEXT, "into contents"),
            column("attributes", TEXT, "JSON object of the source's allow-listed extra fields"),
        ]
    ),
)

PROMPT_SKETCHES = Table(
    name="prompt_sketches",
    made_by="ingest",
    key=("record_key",),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, "UTC day of the record's start_time", required=True),
            column("record_key", HASH, required=True),
            column("exchange_key", HASH, required=True),
            column("ingested_at", TIME, required=True),
            column("sketch_version", pa.int16(), required=True),
            column(
                "skeleton_hash",
                HASH,
                "prompt with numbers, quotes, code, ids and paths abstracted; null without prompt",
            ),
            column("system_hash", HASH, "system instructions; null when absent"),
            column("tools_hash", HASH, "tool definitions; null when absent"),
            column("shingles", pa.list_(HASH), "FracMinHash of word 5-grams, ascending, distinct"),
            column("materials", pa.list_(pa.int16()), "bins of the kept words: 0 to 32767, ascending, distinct"),
            column("prompt_hash", HASH, "the whole normalised prompt"),
            column("cell", pa.int16(), "first 8 bits of micro_cell: 0 to 255"),
            column("micro_cell", pa.int16(), "sign pattern of 12 fixed projections: 0 to 4095"),
            column("capability", pa.int16(), "code of model.capability.Capability: 0 to 7"),
            column("asks_reasoning", FLAG),
            column("asks_grading", FLAG),
            column("n_chars", pa.int32(), "length of the prompt", unit="characters"),
        ]
    ),
)

CONTENTS = Table(
    name="contents",
    made_by="ingest",
    key=("content_ref",),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, "UTC day of first sight", required=True),
            column(
                "content_ref", TEXT, "keyed digest of kind and body: equal bodies are stored once a day", required=True
            ),
            column(
                "kind", TEXT, "system_instructions, input_messages, output_messages or tool_definitions", required=True
            ),
            column("body", TEXT, required=True),
            column("n_chars", COUNT, unit="characters", required=True),
            column("ingested_at", TIME, required=True),
            column("expires_at", TIME),
        ]
    ),
)

ACCOUNTS = Table(
    name="accounts",
    made_by="ingest",
    key=("account_id", "as_of"),
    schema=pa.schema(
        [
            column("account_id", TEXT, required=True),
            column("as_of", TIME, "when this snapshot of the account was true", required=True),
            column("ingest_batch_id", TEXT, required=True),
            column("ingested_at", TIME, required=True),
            column("created_at", TIME),
            column("org_id", TEXT),
            column("plan", TEXT),
            column("email", HASH, "keyed pseudonym"),
            column("email_domain", TEXT),
            column("email_shape", TEXT, "local part with letter runs as a, digit runs as 9: a9, a.a"),
            column("email_shape_hash", HASH, "text hash of shape@domain"),
            column("phone", HASH, "keyed pseudonym"),
            column("name", HASH, "keyed pseudonym"),
            column("payment_fingerprint", HASH, "keyed pseudonym"),
            column("device_id", HASH, "keyed pseudonym"),
            column("signup_client_address", HASH, "keyed pseudonym"),
            column("signup_client_prefix", HASH, "keyed pseudonym of the /24 or /48"),
            column("verified_owner", TEXT, "owner that a person verified; null when none"),
            column("contract_tags", TEXTS),
        ]
    ),
)

ACCOUNT_EVENTS = Table(
    name="account_events",
    made_by="ingest",
    key=("event_id",),
    partition=Partition.DAY,
    schema=pa.schema(
        [
            column("day", DAY, "UTC day of event_time", required=True),
            column("event_id", TEXT, required=True),
            column("account_id", TEXT, required=True),
            column("event_time", TIME, required=True),
            column("event_name", TEXT, "signup, key_created, suspended, reinstated, appeal_opened, ...", required=True),
            column("ingest_batch_id", TEXT, required=True),
            column("ingested_at", TIME, required=True),
        ]
    ),
)

INGEST_BATCHES = Table(
    name="ingest_batches",
    made_by="ingest",
    key=("ingest_batch_id",),
    schema=pa.schema(
        [
            column("ingest_batch_id", TEXT, required=True),
            column("source", TEXT, required=True),
            column("uri", TEXT, "what was read, as the caller named it", required=True),
            column("digest", TEXT, "BLAKE2b-256 of the bytes read, hexadecimal", required=True),
            column("source_version", TEXT, required=True),
            column("started_at", TIME, required=True),
            column("finished_at", TIME, required=True),
            column("records_in", COUNT, "records_in = rows_out + duplicates + rejected", unit="records", required=True),
            column("rows_out", COUNT, unit="records", required=True),
            column("duplicates", COUNT, unit="records", required=True),
            column("rejected", COUNT, unit="records", required=True),
            column("field_coverage", TEXT, "JSON object: field name to share of records that had it", required=True),
        ]
    ),
)

INGEST_REJECTS = Table(
    name="ingest_rejects",
    made_by="ingest",
    key=("ingest_batch_id", "line_no"),
    schema=pa.schema(
        [
            column("ingest_batch_id", TEXT, required=True),
            column("line_no", COUNT, "1-based position of the record in its file", required=True),
            column("reason", TEXT, "short code: bad_json, missing_field, bad_time, ...", required=True),
            column("detail", TEXT, "names of fields and types, never a value"),
            column("n_bytes", COUNT, unit="bytes", required=True),
            column("digest", TEXT, "BLAKE2b-128 of the raw bytes, hexadecimal", required=True),
        ]
    ),
)

EXCHANGES = Table(
    name="exchanges",
    made_by="ingest",
    key=("exchange_key",),
    home=Home.VIEW,
    schema=pa.schema(
        [
            column("day", DAY, required=True),
            column("exchange_key", HASH, required=True),
            column("account_id", TEXT),
            column("org_id", TEXT),
            column("end_user_id", TEXT),
            column("conversation_id", TEXT),
            column("start_time", TIME, required=True),
            column("request_model", TEXT),
            column("status", TEXT, required=True),
            column("http_status_code", pa.int32()),
            column("input_tokens", COUNT, unit="tokens"),
            column("output_tokens", COUNT, unit="tokens"),
            column("client_address", HASH),
            column("client_prefix", HASH),
            column("tls_client_ja4_hash", HASH),
        ]
    ),
)

IDENTITIES = Table(
    name="identities",
    made_by="ingest",
    key=("identity_class", "pseudonym"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("identity_class", TEXT, "address, email, payment, device, name or phone", required=True),
            column("pseudonym", HASH, required=True),
            column("key_id", TEXT, required=True),
            column("sealed", pa.binary(), "AEAD ciphertext of the raw value", required=True),
            column("expires_at", TIME),
        ]
    ),
)

PULLED_FILES = Table(
    name="pulled_files",
    made_by="ingest",
    key=("source", "uri"),
    home=Home.STATE,
    schema=pa.schema(
        [
            column("source", TEXT, required=True),
            column("uri", TEXT, "path or URL of the file", required=True),
            column("n_bytes", COUNT, "size when it was taken", unit="bytes", required=True),
            column("modified_at", TIME, "as the file system had it then", required=True),
            column("digest", TEXT, "BLAKE2b-256 of its bytes, hexadecimal", required=True),
            column("pulled_at", TIME, required=True),
        ]
    ),
)
"""Files that `ingest --watch` took, as they were when it took them."""

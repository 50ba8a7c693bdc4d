"""The dossier as one file: equal inputs give equal bytes, and whoever has it can check every one of them."""

from stillwatch.evidence.bundle.extracts import Extract, read_extract, rows_of
from stillwatch.evidence.bundle.ledger_slice import LedgerSlice
from stillwatch.evidence.bundle.seal import content_digest, dossier_key, public_pem, salting_key, sealed_bundle

__all__ = [
    "Extract",
    "LedgerSlice",
    "content_digest",
    "dossier_key",
    "public_pem",
    "read_extract",
    "rows_of",
    "salting_key",
    "sealed_bundle",
]

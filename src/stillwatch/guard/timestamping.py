"""Time stamps of a third party: a digest goes out, a signed time comes back. Nothing else of the file leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.x509 import load_pem_x509_certificates

from stillwatch.errors import EnvironmentFault, ExternalServiceError, LedgerError, UsageError
from stillwatch.guard.channel import Peer

QUERY_TYPE: Final = "application/timestamp-query"
OK: Final = 200
GRANTED: Final = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a time stamp says: the authority's time of the file, and the serial under which it can be asked about."""

    at: datetime
    serial: int


def ask_for_stamp(body: bytes, url: str) -> bytes:
    """The answer of a time-stamping authority about the SHA-256 of a file, as DER.

    References:
        Adams et al. (2001), RFC 3161: time-stamp protocol, section 3.4 (over HTTP).

    Raises:
        ExternalServiceError: the authority does not answer, refuses, or answers about something else.
    """
    library = _library()
    algorithm = library.HashAlgorithm.SHA256
    query = library.TimestampRequestBuilder().data(body).hash_algorithm(algorithm).build()
    answer = Peer(url).stamp(query.as_bytes(), QUERY_TYPE)
    if answer.status != OK:
        raise ExternalServiceError(f"the time-stamping authority answered {answer.status}")
    reply = _decoded(answer.body)
    if reply.status != GRANTED:
        raise ExternalServiceError(f"the time-stamping authority refused with status {reply.status}")
    told = reply.tst_info
    if told.message_imprint.message != query.message_imprint.message or told.nonce != query.nonce:
        raise ExternalServiceError("the time-stamping authority answered about something else")
    return answer.body


def check_stamp(reply: bytes, body: bytes, roots: bytes) -> Stamp:
    """What a time stamp says of a file, after its signature was checked down to one of the root certificates (PEM).

    Raises:
        LedgerError: it is of another file, or its signature does not lead to a root.
        UsageError: the roots are no certificates.
    """
    library = _library()
    try:
        certificates = load_pem_x509_certificates(roots)
    except ValueError as error:
        raise UsageError("the file of root certificates holds none in PEM") from error
    builder = library.VerifierBuilder()
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    decoded = _decoded(reply)
    try:
        builder.build().verify_message(decoded, body)
    except library.VerificationError as error:
        raise LedgerError(f"the time stamp does not hold for this file: {error}") from error
    return Stamp(decoded.tst_info.gen_time, decoded.tst_info.serial_number)


def _decoded(reply: bytes) -> Any:
    try:
        return _library().decode_timestamp_response(reply)
    except ValueError as error:
        raise ExternalServiceError(
            "the time-stamping authority's answer cannot be read; some add certificates in an order that DER does not "
            "allow, and openssl ts reads those"
        ) from error


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise EnvironmentFault("time stamps need rfc3161-client; install `stillwatch[report]`") from error
    return rfc3161_client

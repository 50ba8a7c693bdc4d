"""What a signature of a message covers."""


def pre_authentication(kind: str, body: bytes) -> bytes:
    """What DSSE signs: the type of a body and the body itself, each with its length.

    References:
        Secure Systems Lab (2021), DSSE: Dead Simple Signing Envelope, protocol and envelope, version 1.
    """
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)

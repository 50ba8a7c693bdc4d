"""What the holder of an API key may do."""

from enum import StrEnum


class Role(StrEnum):
    """The role of an API key. Roles do not contain each other: what a role may do is listed route by route."""

    INGEST = "ingest"
    """A gateway or collector: sends telemetry and asks for decisions."""
    ANALYST = "analyst"
    """Reads findings and figures."""
    RESPONDER = "responder"
    """Reads, judges, and asks for decisions."""
    ADMIN = "admin"
    """Everything, keys and the audit trail included."""
    PEER = "peer"
    """Another laboratory: reads what is shared with it, and nothing else."""

"""Everything that stillwatch raises on purpose.

StillwatchError
├── UsageError            the call itself is wrong (exit 2)
├── ConfigError           a setting is missing, unknown or out of range (exit 3)
├── RejectedInputError    more input was quarantined than the caller allows (exit 4)
├── EnvironmentFault      the machine or installation lacks something (exit 5)
│   └── EngineUnavailable an optional engine is not installed
├── ExternalServiceError  a service that we depend on did not answer (exit 6)
├── LakeError             the lake cannot be read or written
│   ├── LakeLocked        another writer holds the lake
│   ├── LakeCorrupt       the manifest names something that is not there
│   └── SchemaMismatch    rows do not have the shape of their table
├── SourceError           a telemetry file as a whole is not what its source expects
├── ListError             a screening list or register is not what its format says
├── VaultError            a sealed identity cannot be written or opened
├── LedgerError           the ledger does not verify
├── UnderHold             a legal hold keeps what was to be erased
├── GuardRefused          nothing of what was asked may leave or come in
├── SpoolFull             records cannot be taken now; the sender keeps them and comes again
├── SnapshotError         a decision snapshot is damaged, forged or older than the one in use
├── ProvenanceError       a provenance test cannot be run on what it was given
└── CalibrationError      a calibration is missing, damaged or does not fit the run

A bad input *row* is never raised: it is quarantined with a reason (`ingest_rejects`).
"""


class StillwatchError(Exception):
    """Root of the tree. The message is one sentence for a person: what failed, on which thing, what to do next."""

    exit_code = 70


class UsageError(StillwatchError):
    """The call itself is wrong."""

    exit_code = 2


class ConfigError(StillwatchError):
    """A setting is missing, unknown or out of range."""

    exit_code = 3


class RejectedInputError(StillwatchError):
    """More input was quarantined than the caller allows."""

    exit_code = 4


class EnvironmentFault(StillwatchError):
    """The machine or the installation lacks something."""

    exit_code = 5


class EngineUnavailable(EnvironmentFault):
    """An optional engine is not installed."""


class ExternalServiceError(StillwatchError):
    """A service that we depend on did not answer."""

    exit_code = 6


class LakeError(StillwatchError):
    """The lake cannot be read or written."""

    exit_code = 5


class LakeLocked(LakeError):
    """Another writer holds the lake."""


class LakeCorrupt(LakeError):
    """The manifest names something that is not there."""


class SchemaMismatch(LakeError):
    """Rows do not have the shape of their table."""


class SourceError(StillwatchError):
    """A telemetry file as a whole is not what its source expects."""

    exit_code = 4


class ListError(StillwatchError):
    """A screening list, a register or a table of networks is missing, damaged or in no known format."""

    exit_code = 4


class VaultError(StillwatchError):
    """A sealed identity cannot be written or opened."""

    exit_code = 5


class LedgerError(StillwatchError):
    """An entry of the ledger was changed, removed or put in from outside."""

    exit_code = 5


class GuardRefused(StillwatchError):
    """Nothing of what was asked may leave or come in; the policy says why."""

    exit_code = 3


class UnderHold(StillwatchError):
    """A legal hold keeps what was to be erased; the hold says why and until when."""

    exit_code = 3


class SpoolFull(StillwatchError):
    """Records cannot be taken now; the sender keeps them and comes again."""

    exit_code = 5


class SnapshotError(StillwatchError):
    """A decision snapshot is damaged, forged, of another release, or older than the one in use."""

    exit_code = 5


class CalibrationError(StillwatchError):
    """A calibration is missing, damaged or does not fit the run."""

    exit_code = 3


class ProvenanceError(StillwatchError):
    """A provenance test cannot be run on what it was given: answers, a pool, a plan or twins."""

    exit_code = 4

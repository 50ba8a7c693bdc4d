"""What a deployment may choose about its engine."""

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resources of an engine.

    `memory_limit` is DuckDB's text form (`4GB`; None: 80 % of the machine's memory); for Spark it is the driver's heap.
    `threads` None is every core; a Spark cluster is told in its own settings. `temp_directory` holds spilled rows; None
    is a private folder that is removed on close. For a Spark cluster it must be a folder, or an object store's URL,
    that driver and executors share.
    """

    memory_limit: str | None = None
    threads: int | None = None
    temp_directory: str | None = None

"""State databases of each kind for tests: SQLite in a folder, PostgreSQL where a server is named."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

KINDS: Final = ("sqlite", "postgresql")
SERVER: Final = "STILLWATCH_TEST_POSTGRES"
"""Names a PostgreSQL server by URL; `.ci/postgres COMMAND` starts one for a command."""


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new, empty database, gone on leaving. Without a server PostgreSQL is a skip; in CI, a failure."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'shared.sqlite'}"
        return
    server = os.environ.get(SERVER)
    if not server:
        message = f"{SERVER} names no server"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    name = f"stillwatch_{uuid.uuid4().hex}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()

from collections.abc import Iterator

import pytest

from tests.grouping.worlds import Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.engine.close()

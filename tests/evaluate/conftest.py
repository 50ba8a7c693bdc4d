"""The bench that suites measure with."""

import pytest

from stillwatch import scoring
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.evaluate.suite import Bench


@pytest.fixture(scope="package")
def bench():
    engine = open_engine("duckdb", Config().engines)
    yield Bench(engine=engine, config=Config(), calibration=scoring.shipped(), n_accounts=1_500)
    engine.close()

"""The pulse of a workspace: what is stored, what a detection run says of it, what the verb prints."""

import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.cli.app import main
from stillwatch.config import Config
from stillwatch.engines import open_engine
from stillwatch.model.stage import Run
from stillwatch.model.tables import ACCOUNT_DAYS, PULSES, TOKEN_USES
from stillwatch.model.window import Window
from stillwatch.pipeline.pulse import pulse_notes
from stillwatch.python_api import Stillwatch
from stillwatch.store.workspace import Workspace
from tests.pulse.worlds import START, account_day, as_table, campaign_rows, date_of, quiet_rows

N_DAYS = 50
UNUSUAL = 49


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace with fifty days of aggregates, the last of them with a campaign."""
    place = tmp_path_factory.mktemp("pulse") / "workspace"
    Workspace.init(place, environ={}).close()
    rows = as_table(quiet_rows(N_DAYS) + campaign_rows(UNUSUAL, N_DAYS))
    with Stillwatch.open(place, config=Config()) as watch, watch.workspace.lake.write() as writer:
        for day in range(N_DAYS):
            writer.replace(ACCOUNT_DAYS, str(date_of(day)), rows.filter(pc.equal(rows["day"], date_of(day))))
            writer.replace(TOKEN_USES, str(date_of(day)), token_use(day))
        writer.commit()
    return place


def token_use(day):
    """One row of TOKEN_USES: a day has traffic when it has these."""
    row = account_day(day, "a0", cells=[], hours=[12], capabilities=[]) | {"token_kind": "address", "token": 1}
    return pa.Table.from_pylist([{name: row[name] for name in TOKEN_USES.schema.names}], schema=TOKEN_USES.schema)


def notes(folder, end, **options):
    run = Run("test", Window(START, START + timedelta(days=end)), **options)
    engine = open_engine("duckdb", Config().engines)
    try:
        with Stillwatch.open(folder, config=Config()) as watch:
            return pulse_notes(watch.workspace.lake.snapshot(), run, engine=engine, config=Config())
    finally:
        engine.close()


def test_a_run_says_that_its_last_day_is_unusual_and_accuses_nobody(folder):
    (said,) = notes(folder, N_DAYS)
    assert str(date_of(UNUSUAL)) in said
    assert said.endswith("it says nothing about any account")


def test_a_run_after_a_quiet_day_says_nothing(folder):
    assert notes(folder, UNUSUAL) == []


def test_a_run_that_ends_within_a_day_speaks_of_the_day_before(folder):
    assert notes(folder, N_DAYS - 0.5) == []


def test_a_run_that_looks_otherwise_gets_no_note(folder):
    assert notes(folder, N_DAYS, by="org") == []
    assert notes(folder, N_DAYS, known_at=START) == []


def test_the_verb_prints_and_stores_the_days(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    for _ in range(2):
        assert main(["--workspace", str(folder), "pulse", "--days", "3", "--format", "json"]) == 0
        said = capsys.readouterr()
        assert [row["is_unusual"] for row in json.loads(said.out)] == [False, False, True]
        assert "nothing about any account" in said.err.replace("\n", " ")
    with Stillwatch.open(folder, config=Config()) as watch:
        assert watch.workspace.lake.snapshot().n_rows(PULSES, [str(date_of(day)) for day in range(N_DAYS)]) == 3


def test_the_verb_sees_nothing_from_as_of_on(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    assert main(["--workspace", str(folder), "pulse", "--as-of", str(date_of(UNUSUAL)), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[-1]["day"] == str(date_of(UNUSUAL - 1))
    assert len(rows) == 14

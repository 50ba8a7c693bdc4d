"""Running a suite by seeds, and keeping what each seed gave."""

from dataclasses import replace

import msgspec
import pytest

import stillwatch
from stillwatch.config import Config
from stillwatch.errors import UsageError
from stillwatch.evaluate.outcomes import Part
from stillwatch.evaluate.report import Body
from stillwatch.evaluate.suite import Bench, Suite, code_digest, run_suite


class Measurer:
    """Counts which seeds were measured, and at what alpha."""

    def __init__(self):
        self.seeds, self.alphas = [], []

    def __call__(self, seed, bench):
        self.seeds.append(seed)
        self.alphas.append(bench.config.detect.alpha)
        return Part(seed=seed, values={"seed": float(seed)})


def suite(measure, **changes):
    return Suite(
        name="probe",
        question="Which seeds?",
        measure=measure,
        report=lambda parts, _bench: Body(tables=(), notes=tuple(str(part.seed) for part in parts)),
        **changes,
    )


def test_every_seed_is_measured_in_order(bench):
    report = run_suite(suite(measure := Measurer()), (9002, 9001), bench)
    assert measure.seeds == [9002, 9001]
    assert report.body.notes == ("9002", "9001")
    assert [part.seed for part in report.parts] == [9002, 9001]


def test_a_kept_seed_is_not_measured_again(bench, tmp_path):
    run_suite(suite(Measurer()), (9001,), bench, folder=tmp_path)
    report = run_suite(suite(measure := Measurer()), (9001, 9002), bench, folder=tmp_path)
    assert measure.seeds == [9002]
    assert report.body.notes == ("9001", "9002")


def test_a_seed_kept_at_another_alpha_is_measured_again(bench, tmp_path):
    run_suite(suite(Measurer()), (9001,), bench, folder=tmp_path)
    run_suite(suite(measure := Measurer(), alpha=1e-3), (9001,), bench, folder=tmp_path)
    assert (measure.seeds, measure.alphas) == ([9001], [1e-3])


def test_a_seed_kept_with_another_calibration_is_measured_again(bench, tmp_path):
    run_suite(suite(Measurer()), (9001,), bench, folder=tmp_path)
    other = replace(bench, calibration=msgspec.structs.replace(bench.calibration, origin="elsewhere"))
    run_suite(suite(measure := Measurer()), (9001,), other, folder=tmp_path)
    assert measure.seeds == [9001]


def test_a_seed_kept_by_other_code_is_measured_again(bench, tmp_path, monkeypatch):
    run_suite(suite(Measurer()), (9001,), bench, folder=tmp_path)
    monkeypatch.setattr("stillwatch.evaluate.suite.code_digest", lambda: "changed")
    run_suite(suite(measure := Measurer()), (9001,), bench, folder=tmp_path)
    assert measure.seeds == [9001]


def test_a_seed_that_cannot_be_read_is_measured_again(bench, tmp_path):
    (tmp_path / "probe-9001.json").write_text('{"stamp": {"suite": "probe"}')
    run_suite(suite(measure := Measurer()), (9001,), bench, folder=tmp_path)
    assert measure.seeds == [9001]


def test_the_digest_of_the_code_follows_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(stillwatch, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "a.py").write_text("x = 1")
    before = code_digest()
    (tmp_path / "notes.txt").write_text("no code")
    assert code_digest() == before
    (tmp_path / "a.py").write_text("x = 2")
    assert code_digest() != before


def test_seeds_that_a_calibration_may_have_seen_are_refused(bench):
    with pytest.raises(UsageError, match="begin at 9000"):
        run_suite(suite(Measurer()), (148,), bench)


def test_a_suite_may_set_the_size_of_its_worlds(bench):
    assert run_suite(suite(Measurer(), n_accounts=77), (9001,), bench).n_accounts == 77


def test_a_suite_that_needs_data_says_how_to_give_it(bench):
    with pytest.raises(UsageError, match="--data"):
        bench.data_set("some-set")


def test_an_absent_data_set_is_named(bench, tmp_path):
    with pytest.raises(UsageError, match="some-set"):
        replace(bench, data=tmp_path).data_set("some-set")


def test_a_bench_has_every_lookalike_in_its_worlds(bench):
    assert isinstance(bench, Bench)
    assert bench.world(()).honest.lookalikes
    assert bench.config == Config()

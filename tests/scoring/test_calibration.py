"""Calibrations as stored."""

import json

import pytest

from stillwatch.errors import CalibrationError
from stillwatch.scoring.calibration import FORMAT, Calibration
from tests.scoring.honest import calibration


def test_a_calibration_survives_its_json():
    assert Calibration.from_json(calibration().to_json()) == calibration()


def test_the_id_is_the_digest_of_the_contents():
    assert calibration().calibration_id == Calibration.from_json(calibration().to_json()).calibration_id
    assert calibration().calibration_id != calibration(n_account_windows=1).calibration_id


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.update(format=FORMAT + 1),
        lambda body: body.pop("curves"),
        lambda body: body["signals"].append("another"),
        lambda body: body["tail"][0][7].pop(),
        lambda body: body["ranks"][0]["knots"].pop(),
        lambda body: body.update(lookalikes=[]),
        lambda body: body.update(curves=body["curves"][1:]),
    ],
)
def test_a_damaged_calibration_is_refused(damage):
    body = json.loads(calibration().to_json())
    damage(body)
    with pytest.raises(CalibrationError, match="fit it again"):
        Calibration.from_json(json.dumps(body))


def test_text_that_is_no_json_is_refused():
    with pytest.raises(CalibrationError, match="cannot be read"):
        Calibration.from_json("{")

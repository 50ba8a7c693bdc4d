"""The suite `missing`: evidence that a deployment does not have must not reach the detector."""

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.config import Config
from stillwatch.evaluate import missing
from stillwatch.evaluate.missing import Arm, without_evidence, without_signals
from stillwatch.evaluate.outcomes import Fate, Part
from stillwatch.evaluate.worlds import build_scene
from stillwatch.model.tables import ACCOUNT_DAYS, ACCOUNTS, TOKEN_USES
from stillwatch.signals.catalog import catalog
from stillwatch.simulate import Campaign


@pytest.fixture(scope="module")
def scene(bench):
    honest = msgspec.structs.replace(bench.world(()).honest, n_accounts=200)
    world = msgspec.structs.replace(bench.world([Campaign(name="a", n_accounts=10)], n_days=7), honest=honest)
    return build_scene(world, seed=9_303)


def kinds(cut):
    return set(cut.token_uses["token_kind"].to_pylist())


def n_bins(rows, name):
    return pc.sum(pc.list_value_length(rows[name])).as_py()


def test_everything_leaves_the_scene_as_it_is(scene):
    assert without_evidence(scene, Arm("everything")) == scene


def test_no_text_leaves_no_token_and_no_list_of_text(scene):
    cut = without_evidence(scene, Arm("x", text=False))
    assert kinds(cut) == set(missing.NETWORK_KINDS)
    of_text = {field.name for field in TOKEN_USES.schema if pa.types.is_list(field.type)} - {"openings"}
    assert of_text >= {"micro_cells", "capabilities", "prompts", "materials"}
    assert all(n_bins(rows, name) == 0 for rows in (cut.token_uses, cut.account_days) for name in of_text)
    assert n_bins(cut.token_uses, "openings") > 0


def test_no_infrastructure_leaves_no_network_and_no_identity(scene):
    cut = without_evidence(scene, Arm("x", infrastructure=False))
    assert not kinds(cut) & set(missing.NETWORK_KINDS)
    assert all(cut.accounts[name].null_count == cut.accounts.num_rows for name in missing.INFRASTRUCTURE)
    assert cut.accounts["created_at"].null_count == 0


def test_no_accounts_table_is_an_empty_one(scene):
    assert without_evidence(scene, Arm("x", accounts=False)).accounts == ACCOUNTS.empty()


@pytest.mark.parametrize("arm", missing.ARMS, ids=lambda arm: arm.name)
def test_tables_keep_their_shape(scene, arm):
    cut = without_evidence(scene, arm)
    assert cut.token_uses.schema.equals(TOKEN_USES.schema)
    assert cut.account_days.schema.equals(ACCOUNT_DAYS.schema)
    assert cut.accounts.schema.equals(ACCOUNTS.schema)


def test_no_timing_leaves_out_every_signal_of_hours_and_days():
    left_out = set(without_signals(Config(), Arm("x", timing=False)).signals.exclude)
    assert left_out <= {one.name for one in catalog()}
    assert left_out >= {one.name for one in catalog() if one.name.startswith(("hour_", "day_"))}
    assert {"common_driver", "onset_synchrony", "successor_handover"} <= left_out


def test_a_case_under_its_goal_fails_by_arm(bench):
    fates = tuple(
        Fate(case=case.name, n_accounts=10, n_accused=0 if case.name == "no text: base500" else 10, n_flagged=10)
        for case in missing.cases()
    )
    found = missing.report([Part(seed=9001, fates=fates, n_windows=1)], bench).failures
    assert found == ("no text: base500: mean recall 0.000 is below 0.8",)


def test_an_arm_that_accuses_more_honest_people_than_alpha_fails(bench):
    fates = [Fate(case=case.name, n_accounts=10, n_accused=10, n_flagged=10) for case in missing.cases()]
    for arm, n_accused in (("no text", 3), ("no timing", 2)):
        fates.append(Fate(case=f"{arm}: {missing.HONEST}", n_accounts=2_000, n_accused=n_accused, n_flagged=9))
    found = missing.report([Part(seed=9001, fates=tuple(fates), n_windows=1)], bench).failures
    assert found == ("no text: 3 of 2000 honest people accused, above 0.001",)


def test_each_arm_is_judged_once_at_the_alpha_of_the_suite(bench, monkeypatch):
    monkeypatch.setattr(missing, "CAMPAIGNS", (Campaign(name="base500", n_accounts=10),))
    monkeypatch.setattr(missing, "ARMS", (Arm("everything"), Arm("no text", text=False)))
    part = missing.measure(9_304, bench.at(alpha=missing.SUITE.alpha, n_accounts=300))
    cases = [f"{arm}: {who}" for arm in ("everything", "no text") for who in ("base500", missing.HONEST)]
    assert [fate.case for fate in part.fates] == cases
    assert missing.honest_table([part]).rows[0][1] == part.fates[1].n_accounts > 250
    assert missing.SUITE.alpha == 1e-3

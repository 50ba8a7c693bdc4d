"""Everything that the rooms write ends up in the ledger, and no account does."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stillwatch.cli.app import main
from stillwatch.errors import LedgerError
from stillwatch.model.tables import CAMPAIGNS
from stillwatch.store.checkpoint import open_note
from stillwatch.store.journal import table_content
from stillwatch.store.merkle import Inclusion
from tests.small_world import copied, found_world, opened, small_world

__all__ = ["found_world", "small_world"]


@pytest.fixture
def command(found_world: Path, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the found workspace that command lines in this test work on."""
    copied(found_world, tmp_path / "workspace", small_world).close()
    monkeypatch.setenv("STILLWATCH_KEYS", str(small_world / "keys.json"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


def test_batches_and_runs_are_entered_and_the_run_is_covered_by_a_checkpoint(
    found_world: Path, small_world: Path
) -> None:
    with opened(found_world, small_world) as watch:
        kinds = [entry.kind for entry in watch.workspace.ledger.entries()]
        n_batches, run_id = watch.batches().table.num_rows, watch.run_ids()[-1]
        (run,) = watch.workspace.ledger.entries("detection.run")
        head = open_note(watch.workspace.checkpoints.last(), watch.workspace.checkpoints.verifier)
        watch.workspace.ledger.verify()
    assert kinds.count("ingest.batch") == n_batches > 1
    assert json.loads(run.body)["run_id"] == run_id
    assert head.size >= run.seq


def test_no_entry_holds_an_account_a_file_or_a_prompt(found_world: Path, small_world: Path) -> None:
    accounts = pq.read_table(small_world / "accounts.parquet")
    with opened(found_world, small_world) as watch:
        flagged = watch.accounts().table["account_id"][0].as_py()
        said = "".join(entry.body for entry in watch.workspace.ledger.entries())
    assert flagged in set(accounts["account_id"].to_pylist())
    assert not [name for name in accounts["account_id"].to_pylist() if name in said]
    assert str(small_world) not in said


def test_the_digest_of_a_table_is_that_of_its_rows_in_any_order(found_world: Path, small_world: Path) -> None:
    with opened(found_world, small_world) as watch:
        rows = watch.campaigns().table.select(CAMPAIGNS.schema.names)
        (run,) = watch.workspace.ledger.entries("detection.run")
        run_id = json.loads(run.body)["run_id"]
        content = table_content(CAMPAIGNS, rows)
        assert table_content(CAMPAIGNS, rows.take(list(range(rows.num_rows))[::-1])) == content
        with watch.workspace.state.writing() as connection:
            digest = watch.workspace.ledger.salted_digest(connection, f"run:{run_id}", content)
    assert json.loads(run.body)["tables"]["campaigns"] == {"digest": digest, "n": rows.num_rows}


def test_a_judgement_and_a_calibration_are_entered(found_world: Path, small_world: Path, tmp_path: Path) -> None:
    with copied(found_world, tmp_path / "copy", small_world) as watch:
        flagged = watch.accounts().table["account_id"][0].as_py()
        watch.judge(flagged, "honest", author="ana", note="a class")
        watch.calibrate()
        (judged,) = watch.workspace.ledger.entries("judgement")
        (fitted,) = watch.workspace.ledger.entries("calibration.fitted")
        assert json.loads(fitted.body)["calibration_id"] == watch.calibration()["calibration_id"]
    assert json.loads(judged.body)["author"] == "ana"
    assert flagged not in judged.body
    assert "a class" not in judged.body


def test_a_batch_whose_entry_a_crash_prevented_is_entered_by_the_next_checkpoint(
    found_world: Path, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(found_world, tmp_path / "copy", small_world) as watch:
        with monkeypatch.context() as patch:
            patch.setattr(watch.workspace.journal, "record_batches", lambda rows, at: None)
            watch.ingest_accounts([small_world / "accounts.parquet"])
        known = watch.workspace.journal.recorded("ingest.batch", "ingest_batch_id")
        assert len(known) == watch.batches().table.num_rows - 1
        watch.checkpoint()
        assert len(watch.workspace.journal.recorded("ingest.batch", "ingest_batch_id")) == len(known) + 1


def test_a_head_that_was_kept_is_a_beginning_of_the_later_ledger(command: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.txt"
    assert main(["ledger", "head", "-o", str(head)]) == 0
    assert main(["judge", "someone", "honest", "--author", "ana"]) == 0
    assert main(["ledger", "verify", "--checkpoint", str(head)]) == 0


def test_a_head_of_a_longer_ledger_shows_that_this_one_was_cut_or_rewritten(
    command: Path, small_world: Path, tmp_path: Path
) -> None:
    with copied(command, tmp_path / "other", small_world) as other:
        other.judge("someone", "honest", author="ana", note="")
        (tmp_path / "head.txt").write_text(other.checkpoint())
    with pytest.raises(LedgerError), opened(command, small_world) as watch:
        watch.workspace.ledger.prove_consistency(
            open_note((tmp_path / "head.txt").read_text(), watch.workspace.checkpoints.verifier).size
        )
    assert main(["ledger", "verify", "--checkpoint", str(tmp_path / "head.txt")]) == 5


def test_a_printed_proof_verifies_from_its_own_words(command: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["ledger", "prove", "2"]) == 0
    said = json.loads(capsys.readouterr().out)
    head = open_note(said["checkpoint"], said["verifier_key"])
    path = tuple(bytes.fromhex(digest) for digest in said["inclusion_path"])
    proof = Inclusion(said["leaf_index"], said["tree_size"], path)
    assert head.size == said["tree_size"]
    assert proof.holds(bytes.fromhex(said["leaf_hash"]), head.root)
    assert json.loads(said["entry"])["seq"] == 2


def test_proving_needs_the_number_of_an_entry_that_exists(command: Path) -> None:
    assert main(["ledger", "prove"]) == 2
    assert main(["ledger", "prove", "999999"]) == 5

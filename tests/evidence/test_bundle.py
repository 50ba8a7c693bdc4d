"""A dossier is the same bytes each time, and no byte of it can change unnoticed."""

import ast
import io
import json
import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from stillwatch.evidence import standalone
from stillwatch.evidence.bundle import Extract, LedgerSlice, dossier_key, public_pem, sealed_bundle
from stillwatch.pipeline.recomputing import recompute
from stillwatch.store import merkle
from stillwatch.store.checkpoint import Checkpoint, ledger_key, sign
from stillwatch.store.merkle import Consistency, Inclusion
from tests.evidence.conftest import Built

RFC_6962_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
RFC_6962_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Of the test tree of the certificate transparency project."""


def files_of(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def damage(tmp_path: Path, body: bytes) -> str:
    """The name of the file that the verifier blames; empty when it finds nothing."""
    (tmp_path / "case.zip").write_bytes(body)
    try:
        standalone.verify(tmp_path / "case.zip")
    except standalone.Damaged as found:
        return found.name
    return ""


def test_a_dossier_verifies(built: Built, tmp_path: Path) -> None:
    assert damage(tmp_path, built.body) == ""


def test_building_again_days_later_gives_the_same_bytes(built: Built) -> None:
    assert built.again(days_later=3) == built.body


def test_any_flipped_byte_of_a_file_is_found_in_that_file(built: Built, tmp_path: Path) -> None:
    files = files_of(built.body)
    with zipfile.ZipFile(io.BytesIO(built.body)) as archive:
        starts = {one.filename: one.header_offset + 30 + len(one.filename.encode()) for one in archive.infolist()}
    places = random.Random(1)
    for name, content in files.items():
        for place in {0, len(content) - 1, places.randrange(max(len(content), 1))} if content else ():
            body = bytearray(built.body)
            body[starts[name] + place] ^= 1 << places.randrange(8)
            assert damage(tmp_path, bytes(body)) == name, (name, place)


def test_any_flipped_byte_between_the_files_is_found(built: Built, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(built.body)) as archive:
        inside = [(one.header_offset + 30 + len(one.filename.encode()), one.file_size) for one in archive.infolist()]
        tail = archive.start_dir
    held = {place for start, size in inside for place in range(start, start + size)}
    places = random.Random(2)
    outside = [place for place in range(tail) if place not in held]
    chosen = places.sample(outside, 60) + places.sample(range(tail, len(built.body)), 90)
    for place in chosen:
        body = bytearray(built.body)
        body[place] ^= 1 << places.randrange(8)
        assert damage(tmp_path, bytes(body)), place


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_dossier_that_was_cut_off_is_damaged(share: float, built: Built, tmp_path: Path) -> None:
    assert damage(tmp_path, built.body[: int(len(built.body) * share)])


def test_files_in_another_order_are_damage(built: Built, tmp_path: Path) -> None:
    files = files_of(built.body)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, reverse=True):
            archive.writestr(standalone.zip_entry(name), files[name])
    assert damage(tmp_path, buffer.getvalue())


def test_a_file_that_is_missing_or_added_is_named(built: Built, tmp_path: Path) -> None:
    files = files_of(built.body)
    less = {name: content for name, content in files.items() if name != "methods.md"}
    assert damage(tmp_path, standalone.packed(less)) == "methods.md"
    assert damage(tmp_path, standalone.packed(files | {"note.txt": b"x"})) == "note.txt"


def test_a_dossier_signed_by_somebody_else_does_not_hold_under_the_providers_key(built: Built, tmp_path: Path) -> None:
    other = tmp_path / "case.zip"
    other.write_bytes(built.body)
    with built.open() as watch:
        right = public_pem(dossier_key(watch.workspace.keys))
    assert standalone.verify(other, key=right).key
    wrong = public_pem(Ed25519PrivateKey.generate())
    with pytest.raises(standalone.Damaged):
        standalone.verify(other, key=wrong)


def test_the_verifier_imports_the_standard_library_and_cryptography_only(built: Built) -> None:
    tree = ast.parse(files_of(built.body)["verify.py"])
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_verifier_inside_runs_by_itself(built: Built, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_bytes(built.body)
    (tmp_path / "verify.py").write_bytes(files_of(built.body)["verify.py"])
    command = [sys.executable, "-I", "verify.py", "case.zip"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert "(7) the container holds nothing else" in said.stdout
    (tmp_path / "case.zip").write_bytes(built.body.replace(b"Glossary", b"Glossarx"))
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "glossary.md" in said.stdout


def test_the_signature_holds_for_securesystemslib_too(built: Built) -> None:
    files = files_of(built.body)
    envelope = Envelope.from_dict(json.loads(files["statement.dsse.json"]))
    [keyid] = envelope.signatures
    key = SSlibKey.from_crypto(load_pem_public_key(files["dossier.pub"]), keyid=keyid)
    assert envelope.verify([key], 1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"] for one in statement["subject"]} == set(files) - {"statement.dsse.json"}


def test_roots_are_those_of_the_published_test_tree() -> None:
    leaves = [standalone.leaf_hash(b"", bytes.fromhex(leaf)) for leaf in RFC_6962_LEAVES]
    for size, root in RFC_6962_ROOTS.items():
        assert standalone.merkle_root(leaves[:size]).hex() == root


@given(st.integers(1, 40), st.data())
def test_proofs_hold_in_the_verifier_as_they_do_in_the_ledger(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(size)]
    hashes = {(0, n): leaf for n, leaf in enumerate(leaves)}
    for level in range(1, 7):
        for n in range(size >> level):
            hashes[level, n] = merkle.node_hash(hashes[level - 1, 2 * n], hashes[level - 1, 2 * n + 1])

    def lookup(places):
        return {place: hashes[place] for place in places}

    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, old = standalone.merkle_root(leaves), standalone.merkle_root(leaves[:first])
    path = merkle.inclusion_proof(index, size, lookup)
    assert standalone.is_included(leaves[index], index, size, path, root)
    assert not standalone.is_included(leaves[index][::-1], index, size, path, root)
    proof = merkle.consistency_proof(first, size, lookup)
    assert standalone.is_consistent(first, size, proof, old, root)
    assert not standalone.is_consistent(first, size, proof, old[::-1], root)


def test_a_ledger_that_was_rewritten_is_found(built: Built, tmp_path: Path) -> None:
    """A fork: same key, another beginning. The slice proves itself, but not as a continuation of the checkpoint."""
    with built.open() as watch:
        ledger, checkpoints, keys = watch.workspace.ledger, watch.workspace.checkpoints, watch.workspace.keys
        size = ledger.size()
        forged = sign(Checkpoint(checkpoints.origin, 1, bytes(32), datetime(2026, 5, 1, tzinfo=UTC)), ledger_key(keys))
        entries = tuple((entry, ledger.prove_inclusion(entry.seq, size)) for entry in ledger.entries())
        note = checkpoints.make(ledger, datetime(2026, 6, 1, tzinfo=UTC))
        honest = LedgerSlice(note, "", checkpoints.verifier, entries, None)
        extracts = built.case.extracts(b"k" * 32)
        contents = files_of(built.body)
        contents = {name: contents[name] for name in json.loads(contents["manifest.json"])["contents"]}
        kept = {name: Extract(one.name, (), ()) for name, one in extracts.items() if False}
        for ledger_slice, blamed in (
            (honest, ""),
            (replace(honest, earlier=forged, consistency=ledger.prove_consistency(1, size)), standalone.SLICE),
            (replace(honest, entries=((entries[0][0], Inclusion(1, size, entries[0][1].path)),)), standalone.SLICE),
            (replace(honest, entries=entries[:1]), standalone.SLICE),
            (replace(honest, earlier=note, consistency=Consistency(1, size, ())), standalone.SLICE),
        ):
            body = sealed_bundle(contents, kept, ledger_slice, built.case.about(), dossier_key(keys))
            assert damage(tmp_path, body) == blamed


def test_a_redacted_dossier_verifies_under_the_same_roots_and_names_no_account(built: Built, tmp_path: Path) -> None:
    redacted = built.redacted
    assert damage(tmp_path, redacted) == ""
    files, whole = files_of(redacted), files_of(built.body)
    roots = [
        {name: one["root"] for name, one in json.loads(f["manifest.json"])["extracts"].items()} for f in (files, whole)
    ]
    assert roots[0] == roots[1]
    account = built.case.tables["findings"]["account_id"][0].as_py().encode()
    assert any(account in content for content in whole.values())
    assert not [name for name, content in files.items() if account in content]
    assert json.loads(files["redactions.json"])[0]["left_out"] == "every row"


def test_a_row_that_is_disclosed_later_has_the_leaf_that_stood_for_it(built: Built) -> None:
    redacted = files_of(built.redacted)["extracts/findings.tsv"].splitlines()
    disclosed = files_of(built.body)["extracts/findings.tsv"].splitlines()
    salt, _, row = disclosed[3].partition(b"\t")
    leaf = standalone.leaf_hash(bytes.fromhex(salt.decode()), row)
    assert redacted[3] == b"redacted\t" + leaf.hex().encode()


def test_no_hash_of_a_text_leaves_in_clear(built: Built) -> None:
    tokens = {str(value) for value in built.case.tables["members"]["token"].to_pylist()}
    rows = files_of(built.body)["extracts/members.tsv"].decode()
    assert not [token for token in tokens if token in rows]


def test_every_figure_computed_again_is_equal(built: Built, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_bytes(built.body)
    found = recompute(tmp_path / "case.zip")
    assert found.n_equal > 100
    assert found.differences == found.not_computed == ()


def with_figure(built: Built, extract: str, name: str, value: object) -> bytes:
    """The dossier with one figure of an extract's first row replaced, and nothing sealed again."""
    files = files_of(built.body)
    path = f"extracts/{extract}.tsv"
    salt, _, row = files[path].partition(b"\n")[0].partition(b"\t")
    changed = rfc8785.dumps(json.loads(row) | {name: value})
    files[path] = salt + b"\t" + changed + b"\n" + files[path].partition(b"\n")[2]
    return standalone.packed(files)


@pytest.mark.parametrize(
    ("extract", "name", "value", "says"),
    [
        ("exposures", "exchanges", 1, "exchanges: 1 in the dossier"),
        ("campaign", "q_value", 0.5, "campaign, q_value"),
        ("campaign", "n_accounts", 3, "campaign, n_accounts"),
        ("groups", "score", 99.0, "score: 99"),
        ("findings", "n_flagged_exchanges", 9999, "n_flagged_exchanges: 9999"),
        ("damages", "low_usd", 7, "low_usd: 7 in the dossier"),
    ],
)
def test_a_figure_that_does_not_follow_from_the_extracts_is_named(
    built: Built, extract: str, name: str, value: object, says: str, tmp_path: Path
) -> None:
    (tmp_path / "case.zip").write_bytes(with_figure(built, extract, name, value))
    assert any(says in difference for difference in recompute(tmp_path / "case.zip").differences)


def test_a_group_that_was_weaker_than_said_changes_every_score_that_rests_on_it(built: Built, tmp_path: Path) -> None:
    rows = [
        json.loads(line.partition("\t")[2])
        for line in files_of(built.body)["extracts/groups.tsv"].decode().splitlines()
    ]
    values = [0.0 for _ in rows[0]["values"]]
    (tmp_path / "case.zip").write_bytes(with_figure(built, "groups", "values", values))
    differences = recompute(tmp_path / "case.zip").differences
    assert {f"groups, {rows[0]['group_id']}, {name}" for name in ("score", "p_values", "margin")} <= {
        difference.partition(":")[0] for difference in differences
    }


def test_of_a_redacted_dossier_scores_are_computed_and_the_rest_is_named(built: Built, tmp_path: Path) -> None:
    (tmp_path / "case.zip").write_bytes(built.redacted)
    found = recompute(tmp_path / "case.zip")
    assert found.n_equal > 100
    assert not found.differences
    assert [said.partition(",")[0] for said in found.not_computed] == ["counts of members", "exposures"]
    assert all("redacted" in said for said in found.not_computed)

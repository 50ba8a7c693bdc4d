import base64
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pyarrow as pa
import pytest
import stix2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stix2patterns.v21.pattern import Pattern
from stix2validator import ValidationOptions, print_results, validate_string

import stillwatch.sharing.registered  # noqa: F401  # registers the classes
from stillwatch.cli.app import main
from stillwatch.errors import GuardRefused, UsageError
from stillwatch.guard import Tlp
from stillwatch.guard.channel import Answer, Peer
from stillwatch.guard.envelope import Signer, enveloped, pre_authentication
from stillwatch.guard.package import PACKAGE_TYPE, unpacked
from stillwatch.guard.tlp import MARKING_IDS, level_of
from stillwatch.model.tables import EXCHANGE_RECORDS
from stillwatch.pipeline.sharing import Asked, Sharing
from stillwatch.sharing.extensions import CAMPAIGN as CAMPAIGN_EXTENSION
from stillwatch.sharing.extensions import INDICATOR as INDICATOR_EXTENSION
from stillwatch.sharing.settings import Collection
from stillwatch.sharing.shelf import Query, relay
from stillwatch.sharing.taxii_client import MEDIA_TYPE
from stillwatch.sharing.traits import keyed_sketch
from stillwatch.store.vault import IdentityClass
from stillwatch.store.workspace import Workspace
from tests.guard.objects import clean_objects
from tests.response.worlds import DAY, Found, store
from tests.sharing.others import python
from tests.sharing.worlds import (
    CAMPAIGN,
    CLIENT,
    EXPIRED,
    GROUP_KEY,
    HONEST_NETWORK,
    LATER,
    NETWORK,
    TEMPLATE,
    Known,
    found_world,
    known,
    sharing,
)

OPEN = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
NAMES = {CAMPAIGN_EXTENSION: "distillation-campaign", INDICATOR_EXTENSION: "distillation-indicator"}
Exporter = Callable[[Sharing, str, Tlp, Path], bytes]
PROFILES = ("peer", "authority", "public")


def asked(profile: str = "peer", **fields: object) -> Asked:
    return Asked(**{"peer": "lab-b", "profile": profile, "approver": "Ana Quill", **fields})


def bundle(opened: Workspace, profile: str = "peer", at: object = LATER, **fields: object) -> dict[str, Any]:
    """The bundle as it leaves; the lake of a workspace is looked at once, unless addresses are opened."""
    return json.loads(known(opened, at=at).export(CAMPAIGN, asked(profile, **fields)).bundle())


def of_type(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [stix for stix in found["objects"] if stix["type"] == kind]


@pytest.mark.parametrize(("profile", "at"), [*((name, LATER) for name in PROFILES), ("peer", EXPIRED)])
def test_an_export_passes_the_strict_validator_without_a_warning(kept: Workspace, profile: str, at: object) -> None:
    text = json.dumps(bundle(kept, profile, at))
    result = validate_string(text, ValidationOptions(strict=True, enforce_refs=True, version="2.1"))
    if not result.is_valid:
        print_results([result])
    assert result.is_valid


SCHEMAS = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parents[2] / "docs" / "stix").glob("*.json")
}


@pytest.mark.parametrize("profile", PROFILES)
def test_extensions_are_as_their_published_schemas_say(kept: Workspace, profile: str) -> None:
    found = bundle(kept, profile)
    checked = set()
    for stix in found["objects"]:
        if stix["type"] == "llm-prompt-template":
            jsonschema.validate(stix, SCHEMAS["llm-prompt-template"])
        for extension_id, name in NAMES.items():
            if extension_id in stix.get("extensions", {}):
                jsonschema.validate(stix["extensions"][extension_id], SCHEMAS[name])
                checked.add(name)
    assert checked == {"distillation-campaign", "distillation-indicator"}
    urls = {stix["schema"] for stix in of_type(found, "extension-definition")}
    assert urls == {schema["$id"] for schema in SCHEMAS.values()}


def test_every_pattern_is_one_that_others_read(kept: Workspace) -> None:
    patterns = [stix["pattern"] for stix in of_type(bundle(kept), "indicator")]
    assert [Pattern(text) and text for text in patterns] == patterns
    assert f"[autonomous-system:number = {NETWORK}]" in patterns


@pytest.mark.parametrize("profile", PROFILES)
def test_a_strict_reader_with_our_classes_reads_and_writes_it_back_equal(kept: Workspace, profile: str) -> None:
    found = bundle(kept, profile)
    read = stix2.parse(json.dumps(found), allow_custom=False, version="2.1")
    assert json.loads(read.serialize()) == found


def test_equal_findings_give_equal_bytes_whoever_exports_them_when(opened: Workspace) -> None:
    first = sharing(opened).export(CAMPAIGN, asked()).bundle()
    again = sharing(opened, at=LATER.replace(hour=18)).export(CAMPAIGN, asked()).bundle()
    assert first == again


def test_a_later_run_changes_the_content_and_keeps_the_ids(opened: Workspace) -> None:
    first = bundle(opened)
    before = Found()
    store(opened, Found(run_id="run-2", as_of=before.as_of.replace(day=11), accused=before.accused[:20]))
    later = json.loads(sharing(opened).export(CAMPAIGN, asked()).bundle())
    (old,), (after,) = of_type(first, "campaign"), of_type(later, "campaign")
    assert (old["id"], old["created"]) == (after["id"], after["created"])
    assert old["modified"] < after["modified"]


def test_another_laboratory_gives_the_same_campaign_another_id_and_the_same_template_the_same(
    kept: Workspace, tmp_path: Path
) -> None:
    with found_world(tmp_path / "other") as other:
        ours, theirs = bundle(kept), bundle(other)
    assert of_type(ours, "campaign")[0]["id"] != of_type(theirs, "campaign")[0]["id"]
    assert of_type(ours, "llm-prompt-template")[0]["id"] == of_type(theirs, "llm-prompt-template")[0]["id"]


def test_everything_is_marked_and_nothing_above_what_was_asked(kept: Workspace) -> None:
    for tlp in (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER):
        found = bundle(kept, tlp=tlp)
        levels = {level_of(stix) for stix in found["objects"] if stix["type"] != "marking-definition"}
        assert levels == {tlp}


class Listener(Peer):
    """A peer's server that keeps what it was sent."""

    sent: ClassVar[list[bytes]] = []

    def _call(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        self.sent.append(body or b"")
        return Answer(202, {"content-type": MEDIA_TYPE}, b"{}")


def by_file(share: Sharing, profile: str, tlp: Tlp, file: Path) -> bytes:
    share.write(share.export(CAMPAIGN, asked(profile, tlp=tlp)), file)
    written = file.read_bytes()
    return base64.b64decode(json.loads(written).get("payload", "")) or written


def by_push(share: Sharing, profile: str, tlp: Tlp, file: Path) -> bytes:
    share.push(CAMPAIGN, Listener("https://lab-b.example"), OPEN, asked(profile, tlp=tlp))
    return Listener.sent.pop()


def by_shelf(share: Sharing, profile: str, tlp: Tlp, file: Path) -> bytes:
    collection = f"{PROFILES.index(profile)}{OPEN[1:-1]}{tlp.value}"
    share = sharing(share._workspace, made=Known, collections=(Collection(collection, "Open", profile),))
    try:
        share.publish(CAMPAIGN, collection, tlp)
    except GuardRefused:  # nobody approves what is published, so nothing for an authority is
        return b""
    return b",".join(found.body for found in share.shelf.page(collection, Query(), limit=999)[0])


def by_relay(share: Sharing, profile: str, tlp: Tlp, file: Path) -> bytes:
    """What a peer sends, marked so, on its way to the other readers, by whatever came in before."""
    sent = [stix | {"object_marking_refs": [MARKING_IDS[tlp]]} for stix in clean_objects(20, seed=int(tlp))]
    received = share.inbox.receive(sent, peer="lab-c", channel="taxii", at=LATER)
    collection = f"f{OPEN[1:-1]}{tlp.value}"
    relay(received.cleared, share.shelf, share.guard, collection, LATER)
    return b",".join(found.body for found in share.shelf.page(collection, Query(), limit=999)[0])


WAYS = (by_file, by_push, by_shelf, by_relay)
INSIDE = (Tlp.AMBER_STRICT, Tlp.RED)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(way=st.sampled_from(WAYS), profile=st.sampled_from(PROFILES), tlp=st.sampled_from(INSIDE))
def test_amber_strict_and_red_leave_by_no_exporter(
    kept: Workspace, tmp_path: Path, way: Exporter, profile: str, tlp: Tlp
) -> None:
    assert b"spec_version" not in way(known(kept), profile, tlp, tmp_path / "out.json")


@pytest.mark.parametrize("way", WAYS)
def test_by_each_of_these_ways_what_may_leave_does(kept: Workspace, tmp_path: Path, way: Exporter) -> None:
    assert b"spec_version" in way(known(kept), "peer", Tlp.GREEN, tmp_path / "out.json")


def test_counts_are_bands_for_peers_and_exact_for_an_authority(kept: Workspace) -> None:
    told = {
        profile: of_type(bundle(kept, profile), "campaign")[0]["extensions"][CAMPAIGN_EXTENSION]["n_accounts"]
        for profile in ("peer", "authority")
    }
    assert told == {"peer": "10-29", "authority": 26}


def test_no_account_leaves_in_clear_but_to_an_authority(kept: Workspace) -> None:
    for profile, named in (("peer", False), ("public", False), ("authority", True)):
        assert ("bad-00" in json.dumps(bundle(kept, profile))) is named


def test_two_peers_cannot_join_their_pseudonyms(kept: Workspace) -> None:
    users = [
        {stix["user_id"] for stix in of_type(bundle(kept, peer=peer), "user-account")} for peer in ("lab-b", "lab-c")
    ]
    assert users[0]
    assert users[0].isdisjoint(users[1])


def test_networks_clients_and_templates_are_those_of_the_campaign(kept: Workspace) -> None:
    found = bundle(kept)
    assert [stix["number"] for stix in of_type(found, "autonomous-system")] == [NETWORK]
    assert str(HONEST_NETWORK) not in json.dumps(found)
    assert CLIENT in json.dumps(of_type(found, "infrastructure"))
    (template,) = of_type(found, "llm-prompt-template")
    assert template["sketch"] == keyed_sketch(TEMPLATE, GROUP_KEY)


def test_no_shingle_leaves_in_clear_and_without_the_groups_key_no_sketch(kept: Workspace) -> None:
    said = json.dumps(bundle(kept))
    assert not any(f"{shingle:016x}" in said for shingle in TEMPLATE)
    keyless = sharing(kept, group_key_file="").export(CAMPAIGN, asked())
    assert b"llm-prompt-template--" not in keyless.bundle()


def test_a_network_that_honest_accounts_use_as_well_stays(tmp_path: Path) -> None:
    with found_world(tmp_path / "mixed", Found(accused=tuple(f"bad-{n:02}" for n in range(3)), reviewed=())) as few:
        assert of_type(bundle(few), "autonomous-system") == []


def test_addresses_are_opened_only_by_a_named_person_and_each_opening_is_recorded(opened: Workspace) -> None:
    _add_addresses(opened)
    assert of_type(bundle(opened), "ipv4-addr") == []
    assert opened.ledger.entries("vault.open") == []
    found = bundle(opened, opener="ana")
    assert [stix["value"] for stix in of_type(found, "ipv4-addr")] == ["192.0.2.7"]
    assert len(opened.ledger.entries("vault.open")) == 1


def _add_addresses(opened: Workspace) -> None:
    opened.vault.seal(IdentityClass.ADDRESS, pa.array([77], pa.int64()), pa.array(["192.0.2.7"]))
    _rewrite(opened, client_address=(77, 78))


def _rewrite(opened: Workspace, **columns: tuple[object, object]) -> None:
    """Give records other values in these columns: those of the campaign the first, the others the second."""
    (file,) = opened.lake.snapshot().files(EXCHANGE_RECORDS)
    rows = pa.parquet.read_table(file, partitioning=None, schema=EXCHANGE_RECORDS.schema)
    for name, (inside, outside) in columns.items():
        place = rows.schema.get_field_index(name)
        values = [inside if asn == NETWORK else outside for asn in rows["client_asn"].to_pylist()]
        field = EXCHANGE_RECORDS.schema.field(place)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    with opened.lake.write() as writer:
        writer.replace(EXCHANGE_RECORDS, str(DAY), rows)
        writer.commit()


def test_a_reseller_is_named_to_an_authority_and_a_pseudonym_for_a_peer(opened: Workspace) -> None:
    _rewrite(opened, access_channel=("reseller", "first_party"), org_id=("org-resells", "org-own"))
    share = sharing(opened)
    for profile, is_named in (("authority", True), ("peer", False)):
        said = json.loads(share.export(CAMPAIGN, asked(profile)).bundle())
        roles = [
            stix["extensions"][INDICATOR_EXTENSION].get("role") for stix in of_type(said, "infrastructure")
        ]  # fmt: skip
        assert "account-reseller" in roles
        assert ("org-resells" in json.dumps(said)) is is_named
        assert "org-own" not in json.dumps(said)


def test_every_export_is_recorded_field_by_field_and_sealed_in_the_ledger(opened: Workspace) -> None:
    share = sharing(opened)
    cleared = share.export(CAMPAIGN, asked())
    (row,) = share.disclosures.all().to_pylist()
    (entry,) = opened.ledger.entries("guard.out")
    decisions = share.disclosures.decisions(cleared.record_id).to_pylist()
    assert row["record_id"] == cleared.record_id == json.loads(entry.body)["record_id"]
    assert row["policy_digest"] == share.policy.digest
    assert sum(json.loads(entry.body)["counts"].values()) == len(decisions) > 100
    assert {"allow", "transform", "drop"} == set(Counter(d["outcome"] for d in decisions))
    assert "bad-00" not in entry.body


def test_a_preview_leaves_no_trace(opened: Workspace) -> None:
    share = sharing(opened)
    shown = share.preview(CAMPAIGN, asked())
    assert shown.objects
    assert share.disclosures.all().num_rows == 0
    assert opened.ledger.size() == 0


def test_an_authority_gets_a_signed_package_and_only_with_an_approver(opened: Workspace, tmp_path: Path) -> None:
    share = sharing(opened)
    with pytest.raises(GuardRefused, match="approver"):
        share.export(CAMPAIGN, asked("authority", approver=None))
    cleared = share.export(CAMPAIGN, asked("authority"))
    share.write(cleared, tmp_path / "package.json")
    statement, body = unpacked((tmp_path / "package.json").read_bytes().strip(), share.signer.public_key)
    assert len(of_type(json.loads(body), "user-account")) == 26
    assert body == cleared.bundle()
    assert (statement.receiver, statement.approver, statement.basis) == ("lab-b", "Ana Quill", "legal-process")
    assert (statement.record_id, statement.policy_digest) == (cleared.record_id, share.policy.digest)
    assert statement.n_objects == len(cleared)


@pytest.fixture(scope="module")
def package(kept: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A package for an authority as bytes, and the key that signed it."""
    share, file = known(kept), tmp_path_factory.mktemp("package") / "package.json"
    share.write(share.export(CAMPAIGN, asked("authority")), file)
    return file.read_bytes().strip(), share.signer.public_key


def test_a_package_is_a_dsse_envelope_that_others_can_check(package: tuple[bytes, bytes]) -> None:
    read, key = json.loads(package[0]), Ed25519PublicKey.from_public_bytes(package[1])
    body, (signature,) = base64.b64decode(read["payload"]), read["signatures"]
    key.verify(base64.b64decode(signature["sig"]), pre_authentication(read["payloadType"], body))
    assert set(json.loads(body)) == {"bundle", "statement"}


def test_a_package_that_was_changed_or_signed_by_another_key_is_refused(package: tuple[bytes, bytes]) -> None:
    body, key = package
    read = json.loads(body)
    payload = base64.b64decode(read["payload"])
    other = json.dumps(read | {"payload": base64.b64encode(payload.replace(b"Ana Quill", b"Ben Quill")).decode()})
    for wrong in (other.encode(), body[:-9], b"{}"):
        with pytest.raises(GuardRefused):
            unpacked(wrong, key)
    with pytest.raises(GuardRefused, match="another key"):
        unpacked(body, bytes(32))


def test_a_statement_about_other_objects_is_refused(package: tuple[bytes, bytes]) -> None:
    body = base64.b64decode(json.loads(package[0])["payload"])
    signing = Ed25519PrivateKey.generate()
    signer = Signer(signing.public_key().public_bytes_raw(), signing.sign)
    fewer = json.loads(body)
    fewer["bundle"]["objects"].pop()
    spoiled = enveloped(json.dumps(fewer).encode(), PACKAGE_TYPE, signer)
    with pytest.raises(GuardRefused, match="other objects"):
        unpacked(spoiled, signer.public_key)


def test_a_campaign_that_does_not_exist_is_an_error(opened: Workspace) -> None:
    with pytest.raises(UsageError, match="no campaign"):
        sharing(opened).export("c-none", asked())


@pytest.fixture
def command(opened: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLWATCH_KEYS", str(tmp_path / "workspace-keys.json"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("STILLWATCH_WORKSPACE", str(opened.path))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def test_the_command_line_previews_exports_and_lists(command: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["share", "preview", CAMPAIGN, "--to", "lab-b", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"object", "field", "class", "outcome", "rule"} == set(shown["decisions"][0])
    assert main(["share", "preview", CAMPAIGN, "--to", "lab-b"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["user-account", "user_id", "identity", "drop", "accounts:protected", "26"] in lines
    assert main(["share", "export", CAMPAIGN, "--to", "lab-b", "-o", "out.json"]) == 0
    assert json.loads((command / "out.json").read_text())["type"] == "bundle"
    assert main(["share", "export", CAMPAIGN, "--to", "x", "--profile", "authority", "-o", "no.json"]) == 3
    assert not (command / "no.json").exists()
    named = ["--profile", "authority", "--approver", "Ana Quill", "-o", "package.json"]
    assert main(["share", "export", CAMPAIGN, "--to", "agency", *named]) == 0
    (key,) = re.findall("[0-9a-f]{64}", capsys.readouterr().err.replace("\n", ""))
    assert main(["share", "verify", "package.json", "--key", key, "-o", "unpacked.json"]) == 0
    assert json.loads(capsys.readouterr().out)["approver"] == "Ana Quill"
    assert json.loads((command / "unpacked.json").read_text())["type"] == "bundle"
    capsys.readouterr()
    assert main(["share", "log", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["peer"], row["direction"]) for row in rows} == {("lab-b", "out"), ("agency", "out")}
    assert main(["ledger", "verify"]) == 0


def test_misp_imports_networks_addresses_accounts_techniques_and_markings(opened: Workspace, tmp_path: Path) -> None:
    program = python()
    _add_addresses(opened)
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle(opened, "authority", opener="ana")))
    script = Path(__file__).with_name("misp_import.py")
    run = subprocess.run([program, script, path], capture_output=True, text=True, check=True)
    arrived = json.loads(run.stdout)
    values = {tuple(pair) for pair in arrived["values"]}
    assert ("AS", f"AS{NETWORK}") in values
    assert any(value == "192.0.2.7" for _, value in values)
    assert len({value for kind, value in values if kind == "user-account.user-id"}) == 26
    assert "Extract AI Model" in arrived["galaxies"]
    assert "tlp:amber" in arrived["tags"]

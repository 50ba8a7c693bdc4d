"""Dossiers for others: what each audience holds, who answers for it, and what a third party says about the time."""

import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from stillwatch.cli.app import main
from stillwatch.errors import ConfigError, ExternalServiceError, GuardRefused, LedgerError, UsageError
from stillwatch.evidence import standalone
from stillwatch.evidence.report import brief
from stillwatch.guard import load_policy, shipped_policy
from stillwatch.guard.timestamping import ask_for_stamp, check_stamp
from tests.evidence.conftest import Built, built, found_world, small_world

__all__ = ["built", "found_world", "small_world"]

ANA = {"receiver": "somebody", "approver": "Ana Quill"}


def files(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def accounts(built: Built) -> set[str]:
    return set(built.case.tables["findings"]["account_id"].to_pylist())


@pytest.mark.parametrize("audience", ["peer", "public"])
def test_competitors_and_the_public_get_the_method_and_what_share_lets_out(
    built: Built, audience: str, tmp_path: Path
) -> None:
    body = built.again(audience=audience, receiver="lab-b")
    found = files(body)
    assert not [name for name in found if name.startswith(("extracts/", "report", "certification", "damages"))]
    assert {"methods.md", "campaign.stix.json", "brief.html", "verify.py"} <= found.keys()
    whole = b"".join(found.values())
    assert not [name for name in accounts(built) if name.encode() in whole]
    exact = (built.case.campaign["n_exchanges"], built.case.campaign["n_accounts"])
    assert not [n for n in exact if f":{n}," in whole.decode()]
    assert len(json.loads(found["ledger/slice.json"])["entries"]) == 1
    (tmp_path / "case.zip").write_bytes(body)
    assert standalone.verify(tmp_path / "case.zip").steps


def test_the_page_for_peers_says_what_the_bundle_says_and_runs_nothing() -> None:
    objects = [
        {"type": "marking-definition", "name": "TLP:AMBER"},
        {
            "type": "campaign", "name": "Distillation campaign 3af94ee3", "first_seen": "2026-04-22T00:00:00Z",
            "extensions": {"x": {"extension_type": "property-extension", "n_accounts": "100-299", "signals": ["a_b"]}},
        },
        {"type": "indicator", "name": "<script>alert(1)</script>", "pattern": "[ipv4-addr:value = '192.0.2.1']"},
        {"type": "user-account", "user_id": "psn-1"},
    ]  # fmt: skip
    page = brief(json.dumps({"objects": objects}).encode()).decode()
    assert all(said in page for said in ("Distillation campaign 3af94ee3", "100-299", "a b", "192.0.2.1", "TLP:AMBER"))
    assert "<script" not in page
    assert "psn-1" not in page
    assert page == brief(json.dumps({"objects": objects}).encode()).decode()


def test_a_regulator_gets_figures_and_the_report_but_no_row_about_an_account(built: Built) -> None:
    found = files(built.again(audience="regulator", **ANA))
    assert found["extracts/findings.tsv"].startswith(b"redacted\t")
    assert not found["extracts/exposures.tsv"].startswith(b"redacted\t")
    readable = b"".join(body for name, body in found.items() if name != "campaign.stix.json")
    assert not [name for name in accounts(built) if name.encode() in readable]
    assert "damages-worksheet.toml" not in found
    assert "report.html" in found


def test_a_court_gets_everything_that_there_is(built: Built, tmp_path: Path) -> None:
    body = built.again(audience="court", **ANA)
    found = files(body)
    assert {"damages-worksheet.toml", "extracts/damages.tsv", "report.html", "campaign.stix.json"} <= found.keys()
    assert not found["extracts/findings.tsv"].startswith(b"redacted\t")
    (tmp_path / "case.zip").write_bytes(body)
    assert standalone.verify(tmp_path / "case.zip").steps


def test_every_part_is_decided_about_in_the_record_before_anything_leaves(built: Built) -> None:
    built.again(audience="regulator", receiver="the agency", approver="Ana Quill")
    with built.open() as watch:
        records = [row for row in watch.sharing.disclosures.all().to_pylist() if row["peer"] == "the agency"]
        parts, bundle = sorted(records, key=lambda row: row["n_offered"])
        told = {row["path"]: row for row in watch.sharing.disclosures.decisions(parts["record_id"]).to_pylist()}
    assert {parts["approver"], bundle["approver"]} == {"Ana Quill"}
    assert (told["damages"]["outcome"], told["damages"]["field_class"]) == ("drop", "commercial")
    assert (told["accounts"]["outcome"], told["figures"]["outcome"]) == ("drop", "allow")


def test_what_is_left_out_is_named_in_the_dossier(built: Built) -> None:
    log = json.loads(files(built.again(audience="peer", receiver="lab-b"))["redactions.json"])
    assert {row["extract"] for row in log} >= {"report", "accounts", "damages", "ledger"}


def test_nobody_answers_means_no_dossier_for_authorities(built: Built) -> None:
    with pytest.raises(GuardRefused, match="needs an approver"):
        built.again(audience="court", receiver="the court")
    with pytest.raises(UsageError, match="--to"):
        built.again(audience="court", approver="Ana Quill")


def test_an_audience_that_the_policy_does_not_know_gets_nothing(built: Built) -> None:
    with pytest.raises(GuardRefused, match="no dossiers for 'press'"):
        built.again(audience="press", receiver="a newspaper")


def test_a_policy_that_hands_competitors_more_than_texts_and_bundle_does_not_load() -> None:
    for part in ("report", "damages", "accounts"):
        text = shipped_policy().replace(
            '[dossier.peer]\nprofile = "peer"\nparts = ["texts", "bundle"]',
            f'[dossier.peer]\nprofile = "peer"\nparts = ["texts", "{part}"]',
        )
        with pytest.raises(ConfigError, match="nobody answers"):
            load_policy(text)


def test_the_preview_says_what_an_audience_would_hold_and_records_nothing(
    built: Built, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with built.open() as watch:
        before = watch.sharing.disclosures.all().num_rows
    monkeypatch.setenv("STILLWATCH_KEYS", str(built.world / "keys.json"))
    folder = str(built.folder / "workspace")
    said = ["dossier", "preview", built.campaign_id, "--audience", "peer", "--to", "lab-b", "--format", "json"]
    assert main(["--workspace", folder, *said]) == 0
    rows = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["bundle"]["outcome"], rows["report"]["outcome"]) == ("allow", "drop")
    assert rows["report"]["rule"] == "dossier-peer:unlisted"
    with built.open() as watch:
        assert watch.sharing.disclosures.all().num_rows == before


# -- time stamps ------------------------------------------------------------------------------------------------------

CONFIGURATION = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_chain = no
accuracy = secs:1
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a root and a genuine time-stamping certificate under it, made by openssl."""
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "serial").write_text("01\n")
    (folder / "ext.cnf").write_text("extendedKeyUsage = critical,timeStamping\nkeyUsage = critical,digitalSignature\n")
    for name in ("root", "tsa", "other"):
        openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    for name in ("root", "other"):
        openssl(
            folder, "req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "30", "-out",
            f"{name}.pem",
        )  # fmt: skip
    openssl(folder, "req", "-new", "-key", "tsa.key", "-subj", "/CN=tsa", "-out", "tsa.csr")
    openssl(
        folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days",
        "30", "-extfile", "ext.cnf", "-out", "tsa.pem",
    )  # fmt: skip
    return folder


@contextmanager
def stamping(folder: Path, answer: bytes | None = None) -> Iterator[str]:
    """A time-stamping authority on loopback: `openssl ts` behind HTTP, or a fixed answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["content-length"])))
            if answer is None:
                openssl(
                    folder, "ts", "-reply", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key", "-config",
                    "tsa.cnf", "-section", "own", "-out", "reply",
                )  # fmt: skip
            body = (folder / "reply").read_bytes() if answer is None else answer
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_dossier_is_stamped_by_a_genuine_authority_and_openssl_agrees(
    built: Built, authority: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case.zip"
    case.write_bytes(built.body)
    with stamping(authority) as url:
        assert main(["dossier", "timestamp", str(case), "--url", url]) == 0
    assert built.body not in (authority / "query").read_bytes()
    roots = str(authority / "root.pem")
    openssl(authority, "ts", "-verify", "-data", str(case), "-in", f"{case}.tsr", "-CAfile", roots)
    told = ["--timestamp", f"{case}.tsr", "--timestamp-roots", roots]
    assert main(["dossier", "verify", str(case), *told]) == 0
    assert "time-stamping authority's serial" in " ".join(capsys.readouterr().err.split())


def test_a_stamp_holds_for_one_file_under_its_own_root(authority: Path) -> None:
    with stamping(authority) as url:
        reply = ask_for_stamp(b"one", url)
    own, other = ((authority / f"{name}.pem").read_bytes() for name in ("root", "other"))
    assert check_stamp(reply, b"one", own).serial
    with pytest.raises(LedgerError):
        check_stamp(reply, b"two", own)
    with pytest.raises(LedgerError):
        check_stamp(reply, b"one", other)
    with pytest.raises(UsageError, match="PEM"):
        check_stamp(reply, b"one", b"no certificate")


def test_an_answer_about_something_else_or_in_another_form_is_refused(authority: Path) -> None:
    with stamping(authority) as url:
        reply = ask_for_stamp(b"one", url)
    for answer in (reply, b"<html>"):
        with stamping(authority, answer) as url, pytest.raises(ExternalServiceError):
            ask_for_stamp(b"two", url)


def test_nobody_is_asked_over_plain_http_outside_of_this_machine() -> None:
    with pytest.raises(UsageError, match="https"):
        ask_for_stamp(b"x", "http://tsa.example/")

"""Check a stillwatch dossier. Needs Python 3.11 and the package `cryptography`, nothing of stillwatch.

    python verify.py DOSSIER.zip [--key PUBLIC-KEY.pem] [--ledger-key LINE]

The keys should come from the provider by another way than the dossier: with the ones inside of it, the check shows that
nothing was changed since it was signed, but not by whom. A copy of this program lies in each dossier as `verify.py`;
who does not trust that copy takes it from the published source, or writes the same steps anew: they are numbered.

(1) the files, (2) the signature, (3) the manifest, (4) every file, (5) the rows, redacted ones included, (6) the
ledger, (7) the container.
"""

import base64
import binascii
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MANIFEST, STATEMENT, KEY = "manifest.json", "statement.dsse.json", "dossier.pub"
CHECKPOINT, EARLIER = "ledger/checkpoint.txt", "ledger/earlier-checkpoint.txt"
VERIFIER, SLICE = "ledger/verifier.txt", "ledger/slice.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SEALED_KIND = "dossier.sealed"


class Damaged(Exception):
    """A file of the dossier is not what was signed; the message names it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name


@dataclass
class Report:
    """What was checked: the keys that it rests on, and each step in words."""

    key: str = ""
    ledger_key: str = ""
    steps: list[str] = field(default_factory=list)


# -- hashes ---------------------------------------------------------------------------------------------------------


def leaf_hash(salt: bytes, row: bytes) -> bytes:
    """Leaf of a row under its salt; leaves and inner nodes are told apart by their first byte (RFC 6962)."""
    return hashlib.sha256(b"\x00" + salt + row).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Root as RFC 6962 defines it, from the leaves' hashes."""
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        pairs = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def is_included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether the audit path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(first: int, second: int, path: list[bytes], old: bytes, new: bytes) -> bool:
    """Whether the tree of `first` leaves is a beginning of that of `second` (RFC 9162, section 2.1.4.2)."""
    if first == second:
        return not path and old == new
    if not 0 < first < second:
        return False
    steps = [old, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    left = right = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            left, right = node_hash(sibling, left), node_hash(sibling, right)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            right = node_hash(right, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and left == old and right == new


def zip_entry(name: str) -> zipfile.ZipInfo:
    """The directory entry that every file of a dossier has."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


# -- steps ----------------------------------------------------------------------------------------------------------


def verify(path: Path, *, key: bytes | None = None, ledger_key: str | None = None) -> Report:
    """Check a dossier; `key` (PEM) and `ledger_key` (one line) replace those inside of it.

    Raises:
        Damaged: something is not as it was signed.
    """
    report = Report()
    body = path.read_bytes()
    files = _opened(path.name, body, report)
    statement = _statement(files, key, report)
    _manifest(files, statement, report)
    manifest = json.loads(files[MANIFEST])
    _files(files, manifest, report)
    _rows(files, manifest, report)
    _ledger(files, manifest, ledger_key, report)
    _container(path.name, body, files, report)
    return report


def _opened(container: str, body: bytes, report: Report) -> dict[str, bytes]:
    """(1) The files in the container, each once."""
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for entry in archive.infolist():
                if entry.filename in files:
                    raise Damaged(entry.filename, "is in the container twice")
                files[entry.filename] = _stored(archive, entry, body)
    except (zipfile.BadZipFile, UnicodeDecodeError, OSError, ValueError, OverflowError) as error:
        raise Damaged(container, "is no dossier, or was cut off") from error
    for name in (MANIFEST, STATEMENT, KEY, CHECKPOINT, EARLIER, VERIFIER, SLICE):
        if name not in files:
            raise Damaged(name, "is missing")
    report.steps.append(f"(1) the container holds {len(files)} files")
    return files


def _stored(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, body: bytes) -> bytes:
    """The bytes of one file, as they lie in the container; header and directory entry are the fixed ones."""
    wanted = zip_entry(entry.filename)
    names = ("date_time", "create_system", "external_attr", "compress_type", "extra", "comment", "flag_bits")
    plain = all(getattr(entry, name) == getattr(wanted, name) for name in names)
    start = entry.header_offset + 30 + len(entry.filename.encode())
    if not plain or entry.file_size != entry.compress_size or archive.comment:
        raise Damaged(entry.filename, "its entry in the container was changed")
    return body[start : start + entry.file_size]


def packed(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip of which every byte follows from them: in the order of their names, stored, undated.

    Nothing is compressed, because compressors differ in their bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zip_entry(name), files[name])
    return buffer.getvalue()


def _container(container: str, body: bytes, files: dict[str, bytes], report: Report) -> None:
    """(7) The container follows from the files: nothing is hidden between them."""
    again = packed(files)
    if again != body:
        first = _first_difference(again, body)
        with zipfile.ZipFile(io.BytesIO(again)) as archive:
            before = [one.filename for one in archive.infolist() if one.header_offset <= first < archive.start_dir]
        raise Damaged(before[-1] if before else container, f"the container was changed at byte {first}")
    report.steps.append("(7) the container holds nothing else")


def _first_difference(one: bytes, other: bytes) -> int:
    """The first place at which they differ, which they do."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high) // 2
        if one[low : middle + 1] == other[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


def _statement(files: dict[str, bytes], key: bytes | None, report: Report) -> Any:
    """(2) The signed statement: what is in it, by whom."""
    envelope = _json(files, STATEMENT)
    pem = files[KEY] if key is None else key
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        [signature] = envelope["signatures"]
        stamp = base64.b64decode(signature["sig"], validate=True)
        keyid, kind = signature["keyid"], envelope["payloadType"]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Damaged(STATEMENT, "is no signed statement") from error
    again = {"payload": _text(payload), "payloadType": kind, "signatures": [{"keyid": keyid, "sig": _text(stamp)}]}
    if kind != PAYLOAD_TYPE or _canonical(again) != files[STATEMENT]:
        raise Damaged(STATEMENT, "was changed")
    if hashlib.sha256(pem).hexdigest() != keyid:
        recorded = _recorded_key(payload)
        raise Damaged(KEY if recorded == keyid else STATEMENT, "is not the key that the statement names")
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    _check_signature(pem, stamp, signed)
    report.key = keyid
    report.steps.append(f"(2) the statement is signed by the key {keyid}")
    return json.loads(payload)


def _recorded_key(payload: bytes) -> str:
    """The digest of the public key as the statement itself lists it; empty where it cannot be read."""
    try:
        subjects = {one["name"]: one["digest"]["sha256"] for one in json.loads(payload)["subject"]}
    except (ValueError, KeyError, TypeError):
        return ""
    return str(subjects.get(KEY, ""))


def _check_signature(pem: bytes, stamp: bytes, signed: bytes) -> None:
    try:
        public = load_pem_public_key(pem)
    except ValueError as error:
        raise Damaged(KEY, "is no public key") from error
    if not isinstance(public, Ed25519PublicKey):
        raise Damaged(KEY, "is no Ed25519 key")
    try:
        public.verify(stamp, signed)
    except InvalidSignature as error:
        raise Damaged(STATEMENT, "the signature does not hold") from error


def _manifest(files: dict[str, bytes], statement: Any, report: Report) -> None:
    """(3) The manifest is the one that was signed, and both name the same files."""
    digests = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    if hashlib.sha256(files[MANIFEST]).hexdigest() != digests.get(MANIFEST):
        raise Damaged(MANIFEST, "is not the one that was signed")
    manifest = _json(files, MANIFEST)
    listed = {name: one["sha256"] for name, one in manifest["files"].items()}
    if listed != {name: digest for name, digest in digests.items() if name != MANIFEST}:
        raise Damaged(MANIFEST, "names other files than the statement")
    report.steps.append(f"(3) the manifest names {len(listed)} files")


def _files(files: dict[str, bytes], manifest: Any, report: Report) -> None:
    """(4) Every file is there, is what was signed, and there is no other."""
    for name, said in manifest["files"].items():
        if name not in files:
            raise Damaged(name, "is missing")
        if hashlib.sha256(files[name]).hexdigest() != said["sha256"]:
            raise Damaged(name, "was changed")
    for name in sorted(set(files) - set(manifest["files"]) - {MANIFEST, STATEMENT}):
        raise Damaged(name, "was added")
    report.steps.append("(4) every file is as it was signed")


def _rows(files: dict[str, bytes], manifest: Any, report: Report) -> None:
    """(5) The rows of each extract lead to its root; redacted ones by their leaf alone."""
    n_rows = n_redacted = 0
    for name, said in manifest["extracts"].items():
        leaves = []
        for line in files[name].splitlines():
            left, _, right = line.partition(b"\t")
            is_redacted = left == b"redacted"
            n_redacted += is_redacted
            leaves.append(
                bytes.fromhex(right.decode()) if is_redacted else leaf_hash(bytes.fromhex(left.decode()), right)
            )
        n_rows += len(leaves)
        if len(leaves) != said["n_rows"] or merkle_root(leaves).hex() != said["root"]:
            raise Damaged(name, "its rows do not lead to its root")
    report.steps.append(f"(5) {n_rows} rows lead to their roots, {n_redacted} of them redacted")


def _ledger(files: dict[str, bytes], manifest: Any, given: str | None, report: Report) -> None:
    """(6) Every entry is in the log that the checkpoint signs, which goes on from the earlier one; one seals this."""
    verifier = files[VERIFIER].decode().strip() if given is None else given.strip()
    size, root = _note(CHECKPOINT, files[CHECKPOINT], verifier)
    slice_ = _json(files, SLICE)
    digests = []
    for one in slice_["entries"]:
        content = one["entry"].encode()
        leaf = hashlib.sha256(b"\x00" + content).digest()
        path = [bytes.fromhex(part) for part in one["path"]]
        if one["size"] != size or not is_included(leaf, one["index"], size, path, root):
            raise Damaged(SLICE, f"entry {one['index'] + 1} is not in the log")
        entry = json.loads(content)
        if entry["kind"] == SEALED_KIND:
            digests.append(entry["body"]["content_digest"])
    found = {name: hashlib.sha256(files[name]).hexdigest() for name in manifest["contents"]}
    if hashlib.sha256(_canonical(found)).hexdigest() not in digests:
        raise Damaged(SLICE, "no entry of the log seals this dossier")
    if slice_["consistency"] is not None:
        _check_continuation(files, slice_["consistency"], verifier, size, root)
    report.ledger_key = verifier
    report.steps.append(f"(6) {len(slice_['entries'])} entries are in the log of {size} under {verifier.split('+')[0]}")


def _check_continuation(files: dict[str, bytes], said: Any, verifier: str, size: int, root: bytes) -> None:
    old_size, old_root = _note(EARLIER, files[EARLIER], verifier)
    path = [bytes.fromhex(part) for part in said["path"]]
    sizes = (said["first"], said["second"]) == (old_size, size)
    if not sizes or not is_consistent(old_size, size, path, old_root, root):
        raise Damaged(SLICE, "the log is not a continuation of its earlier checkpoint: it was rewritten")


def _note(name: str, body: bytes, verifier: str) -> tuple[int, bytes]:
    """Size and root of a signed note (C2SP signed-note, Ed25519)."""
    try:
        origin, key_id, encoded = verifier.split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        text, _, signatures = body.decode().partition("\n\n")
        wanted = f"\N{EM DASH} {origin} "
        [stamp] = [
            base64.b64decode(line.removeprefix(wanted), validate=True)
            for line in signatures.splitlines()
            if line.startswith(wanted)
        ]
        lines = text.split("\n")
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
        if lines[0] != origin or stamp[:4].hex() != key_id:
            raise Damaged(name, "is a checkpoint of another log")
        Ed25519PublicKey.from_public_bytes(raw[1:]).verify(stamp[4:], f"{text}\n".encode())
    except InvalidSignature as error:
        raise Damaged(name, "the signature of the checkpoint does not hold") from error
    except (ValueError, IndexError, UnicodeDecodeError, binascii.Error) as error:
        raise Damaged(name, "is no signed checkpoint") from error
    return size, root


# -- words ----------------------------------------------------------------------------------------------------------


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _canonical(value: object) -> bytes:
    """Canonical JSON of what this program compares: names and texts of plain characters only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _json(files: dict[str, bytes], name: str) -> Any:
    try:
        value = json.loads(files[name])
    except ValueError as error:
        raise Damaged(name, "is no JSON") from error
    if not isinstance(value, dict):
        raise Damaged(name, "is no JSON object")
    return value


def main(arguments: list[str], say: Callable[[str], object] = print) -> int:
    """Check the dossier that the arguments name; 0 when it holds."""
    options = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    if not arguments or set(options) - {"--key", "--ledger-key"}:
        say(__doc__)
        return 2
    key = Path(options["--key"]).read_bytes() if "--key" in options else None
    try:
        report = verify(Path(arguments[0]), key=key, ledger_key=options.get("--ledger-key"))
    except Damaged as damage:
        say(f"DAMAGED {damage}")
        return 1
    for step in report.steps:
        say(step)
    say(f"OK, signed by {report.key}" + ("" if key else " (compare this key with the one that the provider publishes)"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Writes what the lock file brings along: a CycloneDX 1.6 bill of materials, and a table of licences.

Run: python tools/sbom.py -o DIR [--lock requirements.lock]

Names, versions and hashes come from the lock file; licences and home pages from the metadata of the packages that are
installed here, and are left out for those that are not. Equal lock files give equal bytes.
"""

import argparse
import hashlib
import json
import re
import sys
import uuid
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from check_licences import licence

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""RFC 4122: names that are URLs."""


def components(lock: str) -> list[dict[str, object]]:
    """One component for each pinned package, in the order of the lock file."""
    found: list[dict[str, object]] = []
    for entry in re.split(r"\n(?=\S)", lock):
        pinned = PINNED.match(entry)
        if pinned:
            found.append(_component(pinned[1], pinned[3], HASH.findall(entry)))
    return found


def _component(name: str, version: str, hashes: list[str]) -> dict[str, object]:
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    made: dict[str, object] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if said := _said(name):
        made["licenses"] = [{"license": {"name": said}}]
    made["externalReferences"] = [
        {
            "type": "distribution",
            "url": f"https://pypi.org/project/{name}/{version}/",
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)],
        }
    ]
    return made


def _said(name: str) -> str:
    try:
        return licence(distribution(name))
    except PackageNotFoundError:
        return ""


def bill(lock: str, version: str) -> dict[str, object]:
    """The whole bill; its serial number is made from the lock file."""
    digest = hashlib.sha256(lock.encode()).hexdigest()
    subject = {
        "type": "application", "bom-ref": f"pkg:pypi/stillwatch@{version}", "name": "stillwatch", "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}], "purl": f"pkg:pypi/stillwatch@{version}",
    }  # fmt: skip
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "component": subject,
            "properties": [{"name": "stillwatch:lock-sha256", "value": digest}],
        },
        "components": components(lock),
    }


def licence_table(bill_of_materials: dict[str, object]) -> str:
    """The licences as Markdown, one package a line."""
    rows = ["| package | version | licence |", "|---|---|---|"]
    listed = bill_of_materials["components"]
    assert isinstance(listed, list)
    for part in listed:
        named = part.get("licenses", [{"license": {"name": "not installed here"}}])[0]["license"]["name"]
        rows.append(f"| {part['name']} | {part['version']} | {named.replace('|', '/')} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write both files into the wanted folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    chosen = parser.parse_args()
    version = re.search(r'"([^"]+)"', (ROOT / "src/stillwatch/version.py").read_text(encoding="utf-8"))
    made = bill(chosen.lock.read_text(encoding="utf-8"), version[1] if version else "0")
    chosen.output.mkdir(parents=True, exist_ok=True)
    (chosen.output / "stillwatch.cdx.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    (chosen.output / "licences.md").write_text(licence_table(made), encoding="utf-8")
    listed = made["components"]
    sys.stdout.write(f"{len(listed) if isinstance(listed, list) else 0} packages written to {chosen.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

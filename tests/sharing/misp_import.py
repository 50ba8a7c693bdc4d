"""Imports a bundle by misp-stix, in an environment of its own, and prints what arrived as JSON."""

import json
import sys
from pathlib import Path

import stix2
from misp_stix_converter import ExternalSTIX2toMISPParser


def main(path: str) -> None:
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(Path(path).read_text(), allow_custom=True))
    parser.parse_stix_bundle()
    event = json.loads(parser.misp_event.to_json())
    values = [(attribute["type"], str(attribute["value"])) for attribute in event.get("Attribute", [])]
    for found in event.get("Object", []):
        values += [
            (f"{found['name']}.{attribute['object_relation']}", str(attribute["value"]))
            for attribute in found["Attribute"]
        ]
    galaxies = [cluster["value"] for galaxy in event.get("Galaxy", []) for cluster in galaxy["GalaxyCluster"]]
    sys.stdout.write(
        json.dumps({"values": values, "galaxies": galaxies, "tags": [t["name"] for t in event.get("Tag", [])]})
    )


if __name__ == "__main__":
    main(sys.argv[1])

"""Fails when an installed package is under a licence that this project must not depend on (GPL, AGPL and kin).

LGPL is allowed: it does not reach into a program that only imports the library.
"""

import re
import sys
from importlib.metadata import Distribution, distributions

FORBIDDEN = re.compile(
    r"(?<!L)(?<!Lesser )\b(A?GPL|GNU (Affero )?General Public|SSPL|BUSL|Commons Clause)", re.IGNORECASE
)


def licence(package: Distribution) -> str:
    """Everything the package's metadata says about its licence, in one line (not the licence text itself)."""
    metadata = package.metadata
    classifiers = [value for value in metadata.get_all("Classifier") or [] if value.startswith("License ::")]
    field = (metadata.get("License") or "").strip().splitlines()
    said = [metadata.get("License-Expression") or "", field[0] if field else "", *classifiers]
    return "; ".join(part for part in said if part)


def is_forbidden(text: str) -> bool:
    """Whether no permissive alternative is offered: `MIT OR GPL-2.0` leaves the choice to us."""
    alternatives = re.split(r"\bOR\b", text)
    return all(FORBIDDEN.search(part) for part in alternatives)


def main() -> int:
    """Print offenders and return 1, or the count of packages and return 0."""
    packages = {package.metadata["Name"]: licence(package) for package in distributions()}
    offenders = {name: text for name, text in sorted(packages.items()) if text and is_forbidden(text)}
    for name, text in offenders.items():
        sys.stdout.write(f"{name}: {text}\n")
    if offenders:
        return 1
    sys.stdout.write(f"{len(packages)} installed packages, none under a forbidden licence\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

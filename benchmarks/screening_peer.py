"""Scores of nomenklatura for pairs of names, asked by screening_names.py in an environment of its own.

python benchmarks/screening_peer.py logic-v2 < pairs.json > scores.json
"""

import json
import sys

from followthemoney import EntityProxy
from nomenklatura.matching import get_algorithm
from nomenklatura.matching.types import ScoringConfig


def entity(key: str, schema: str, name: str) -> EntityProxy:
    return EntityProxy.from_dict({"id": key, "schema": schema, "properties": {"name": [name]}})


def main() -> None:
    algorithm = get_algorithm(sys.argv[1])
    if algorithm is None:
        raise SystemExit(f"nomenklatura has no algorithm {sys.argv[1]!r}")
    pairs, config = json.load(sys.stdin), ScoringConfig.defaults()
    json.dump(
        [
            # NOTE: names are cached by the entity's id there, so that each pair needs ids of its own.
            algorithm.compare(entity(f"l{at}", schema, one), entity(f"r{at}", schema, other), config).score
            for at, (schema, one, other) in enumerate(pairs)
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()

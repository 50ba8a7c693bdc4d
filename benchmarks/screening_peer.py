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
    pairs = json.load(sys.stdin)
    json.dump(
        [
            algorithm.compare(entity("l", schema, one), entity("r", schema, other), ScoringConfig.defaults()).score
            for schema, one, other in pairs
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()

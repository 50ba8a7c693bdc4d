"""Intersects two files of lines by openmined-psi, in an environment of its own; prints hits, seconds, CPU seconds."""

import json
import sys
import time
from pathlib import Path

import private_set_intersection.python as psi


def main(ours: str, theirs: str) -> None:
    mine, yours = (Path(name).read_text().split() for name in (ours, theirs))
    began, worked = time.perf_counter(), time.process_time()
    client, server = psi.client.CreateWithNewKey(True), psi.server.CreateWithNewKey(True)
    setup = server.CreateSetupMessage(1e-9, len(mine), yours, psi.DataStructure.RAW)
    response = server.ProcessRequest(client.CreateRequest(mine))
    hits = [mine[place] for place in client.GetIntersection(setup, response)]
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
    sys.stdout.write(json.dumps({"hits": sorted(hits), **spent}))


if __name__ == "__main__":
    main(*sys.argv[1:])

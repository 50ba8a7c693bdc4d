"""One file for each peer: its description `PEER` and its function `rank`."""

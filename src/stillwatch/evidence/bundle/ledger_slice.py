"""The part of the ledger that a dossier rests on, with the proofs that tie it to a signed checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass

import rfc8785

from stillwatch.store.ledger import Entry, Json
from stillwatch.store.merkle import Consistency, Inclusion


@dataclass(frozen=True, slots=True)
class LedgerSlice:
    """Entries with their inclusion proofs under one checkpoint, and the proof that it goes on from an earlier one.

    `checkpoint` and `earlier` are signed notes, `verifier` the line with the public key that signed them; `earlier` is
    empty where there was none.
    """

    checkpoint: str
    earlier: str
    verifier: str
    entries: tuple[tuple[Entry, Inclusion], ...]
    consistency: Consistency | None

    def files(self) -> Mapping[str, bytes]:
        """The files of the folder `ledger/`."""
        proofs: list[Json] = [
            {
                "entry": entry.canonical().decode(),
                "index": proof.index,
                "size": proof.size,
                "path": [part.hex() for part in proof.path],
            }
            for entry, proof in self.entries
        ]
        body: dict[str, Json] = {"entries": proofs, "consistency": None}
        if self.consistency is not None:
            found = self.consistency
            body["consistency"] = {
                "first": found.first,
                "second": found.second,
                "path": [part.hex() for part in found.path],
            }
        return {
            "ledger/checkpoint.txt": self.checkpoint.encode(),
            "ledger/earlier-checkpoint.txt": self.earlier.encode(),
            "ledger/verifier.txt": f"{self.verifier}\n".encode(),
            "ledger/slice.json": rfc8785.dumps(body),
        }

"""`ledger`: signed heads, proofs and checks of the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import talk, write_json, write_text
from stillwatch.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from stillwatch.python_api import Stillwatch


def ledger(
    action: Literal["head", "prove", "verify"],
    entry: int | None = None,
    *,
    checkpoint: Path | None = None,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> None:
    """Sign the head of the ledger, prove that an entry is in it, or check all of it.

    Examples:
        stillwatch ledger head -o head.txt
        stillwatch ledger prove 12
        stillwatch ledger verify --checkpoint head.txt

    Parameters
    ----------
    entry
        Number of the entry to prove.
    checkpoint
        A head that was kept elsewhere: the ledger has to be a continuation of it.
    """
    with current().open() as watch:
        if action == "head":
            write_text(watch.checkpoint(), output)
            talk(f"verifier key: {watch.workspace.checkpoints.verifier}")
        elif action == "prove":
            write_json(_proof(watch, entry))
        else:
            _verify(watch, checkpoint)


def _proof(watch: "Stillwatch", seq: int | None) -> dict[str, object]:
    from stillwatch.store.checkpoint import open_note

    if seq is None:
        raise UsageError("name the entry: stillwatch ledger prove NUMBER")
    log, checkpoints = watch.workspace.ledger, watch.workspace.checkpoints
    note = watch.checkpoint()
    size = open_note(note, checkpoints.verifier).size
    entry, proof = log.entry(seq), log.prove_inclusion(seq, size)
    return {
        "entry": entry.canonical().decode(),
        "leaf_index": proof.index,
        "tree_size": proof.size,
        "leaf_hash": entry.leaf().hex(),
        "inclusion_path": [digest.hex() for digest in proof.path],
        "checkpoint": note,
        "verifier_key": checkpoints.verifier,
    }


def _verify(watch: "Stillwatch", kept: Path | None) -> None:
    from stillwatch.store.checkpoint import open_note
    from stillwatch.store.decisions import Decisions

    log, checkpoints = watch.workspace.ledger, watch.workspace.checkpoints
    Decisions(watch.workspace.state, log).verify()
    n_checkpoints = checkpoints.verify(log)
    talk(f"{log.size():,} entries and {n_checkpoints:,} checkpoints are as they were written")
    if kept is None:
        return
    try:
        note = kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"checkpoint {kept} cannot be read ({type(error).__name__})") from error
    head = open_note(note, checkpoints.verifier)
    if head.size > log.size() or not log.prove_consistency(head.size).holds(head.root, log.root()):
        raise LedgerError(f"the ledger is not a continuation of {kept}: somebody rewrote it, or it is an older copy")
    talk(f"the ledger is a continuation of {kept} ({head.size:,} entries, {head.at:%Y-%m-%d %H:%M} UTC)")

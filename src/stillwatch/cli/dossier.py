"""`dossier`: a record of one campaign that others can check, and who is held to be behind it."""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, show_table, talk, write_json, write_rows
from stillwatch.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from stillwatch.store.attributions import Attributions
    from stillwatch.store.workspace import Workspace

DIFFERS = 1

dossier = App(
    name="dossier",
    help="Build a record of one campaign that others can check, and say who is held to be behind it.",
    help_epilogue="""Examples:

    stillwatch dossier build c-abcd1234 -o c-abcd1234.zip
    stillwatch dossier verify c-abcd1234.zip
    stillwatch dossier recompute c-abcd1234.zip
    stillwatch dossier attribute assessment.toml --by ana
    stillwatch dossier approve as-0123456789abcdef --by ben
""",
    result_action="return_value",
)

AudienceFlag = Literal["internal", "peer", "public", "regulator", "authority", "court"]
ByFlag = Annotated[str, Parameter(name=["--by"])]


@dossier.command
def build(
    campaign: str,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    run: str | None = None,
    audience: AudienceFlag = "internal",
    to: str = "",
    approver: str | None = None,
    redact: bool = False,
    damages: Path | None = None,
    seed: int = 1,
    pdf: bool = True,
) -> None:
    """Build the dossier of a campaign: a zip that equal findings give equal bytes.

    Examples:
        stillwatch dossier build c-abcd1234 -o case.zip
        stillwatch dossier build c-abcd1234 -o redacted.zip --redact
        stillwatch dossier build c-abcd1234 -o court.zip --audience court --to "the court" --approver "Ana Quill"
        stillwatch dossier build c-abcd1234 -o case.zip --damages damages.toml

    Parameters
    ----------
    audience
        For whom it is. All but `internal` pass the guard: the sharing policy says which parts each may hold.
    to
        Who gets it; accounts have another pseudonym for each peer.
    approver
        Who answers for it; regulators, authorities and courts get nothing without.
    redact
        Leave out the rows about single accounts; what is left still verifies under the same roots.
    damages
        A worksheet as `exposure --worksheet` prints it.
    seed
        Of the simulation behind the ranges of damages.
    pdf
        Also typeset the report as PDF/A (needs the extra `report`).
    """
    path = output or Path(f"{campaign}.zip")
    with current().open() as watch:
        made = watch.dossier(
            campaign, run_id=run, is_redacted=redact, worksheet=damages, seed=seed, has_pdf=pdf, audience=audience,
            receiver=to, approver=approver,
        )  # fmt: skip
    path.write_bytes(made)
    talk(f"{path}: {len(made):,} bytes; check it with: stillwatch dossier verify {path}")


@dossier.command
def preview(
    campaign: str,
    *,
    audience: AudienceFlag,
    to: str,
    run: str | None = None,
    damages: Path | None = None,
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
) -> None:
    """Show part by part what an audience would hold and which rule decides. Nothing leaves.

    Example: stillwatch dossier preview c-abcd1234 --audience peer --to lab-b

    Parameters
    ----------
    audience
        For whom the dossier would be; for the fields of the part `bundle` see `share preview`.
    to
        Who would get it.
    damages
        A worksheet, where the dossier would have one.
    """
    with current().open() as watch:
        rows = watch.dossier_preview(campaign, run_id=run, audience=audience, receiver=to, worksheet=damages)
    if format == "table":
        show_table(rows, ["part", "class", "outcome", "rule"])
    else:
        write_json(rows)


@dossier.command
def timestamp(
    path: Path, *, url: str, output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None
) -> None:
    """Ask a time-stamping authority (RFC 3161) to sign the digest of a dossier; nothing else of it leaves.

    Example: stillwatch dossier timestamp case.zip --url https://tsa.example/tsr -o case.zip.tsr

    Parameters
    ----------
    url
        The authority's address. There is no default: nobody is asked unless you name somebody.
    output
        Where the answer goes; default: beside the dossier, with `.tsr` added.
    """
    from stillwatch.guard.timestamping import ask_for_stamp

    target = output or path.with_name(f"{path.name}.tsr")
    target.write_bytes(ask_for_stamp(_existing(path).read_bytes(), url))
    talk(f"{target}: check it with: stillwatch dossier verify {path} --timestamp {target} --timestamp-roots ROOTS.pem")


@dossier.command
def verify(
    path: Path,
    *,
    key: Path | None = None,
    ledger_key: str | None = None,
    timestamp: Path | None = None,
    timestamp_roots: Path | None = None,
) -> int:
    """Check that a dossier is as it was signed, byte by byte. Exit code 5 and the file's name when it is not.

    Example: stillwatch dossier verify case.zip --key provider.pem

    Parameters
    ----------
    key
        The provider's public key (PEM), from another source than the dossier. Without it the one inside is used.
    ledger_key
        The line that `stillwatch ledger head` prints, from another source than the dossier.
    timestamp
        The answer of a time-stamping authority about this file.
    timestamp_roots
        Root certificates (PEM) that the authority's signature must lead to.
    """
    from stillwatch.evidence import standalone

    try:
        trusted = None if key is None else _existing(key).read_bytes()
        report = standalone.verify(_existing(path), key=trusted, ledger_key=ledger_key)
    except standalone.Damaged as damage:
        raise LedgerError(f"{path} is not as it was signed: {damage}") from damage
    for step in report.steps:
        talk(step)
    if timestamp is not None:
        talk(_stamped(path, timestamp, timestamp_roots))
    if key is None:
        talk(f"compare the key {report.key} with the one that the provider publishes")
    sys.stdout.write("OK\n")
    return 0


@dossier.command
def recompute(path: Path) -> int:
    """Verify a dossier and compute scores, counts, exposure and damages again from its own extracts.

    Each figure has to be equal to the last digit; exit code 1 when one differs.

    Example: stillwatch dossier recompute case.zip
    """
    from stillwatch.pipeline.recomputing import recompute as computed

    verify(path)
    found = computed(path)
    for difference in found.differences:
        talk(difference)
    for name in found.not_computed:
        talk(f"cannot be computed: {name}")
    sys.stdout.write(f"{found.n_equal} figures equal, {len(found.differences)} different\n")
    return DIFFERS if found.differences else 0


@dossier.command
def key(*, output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None) -> None:
    """Print the public key that dossiers of this workspace are signed with, to be published.

    Example: stillwatch dossier key -o provider.pem
    """
    from stillwatch.cli.output import write_text
    from stillwatch.evidence.bundle import dossier_key, public_pem

    with current().open() as watch:
        write_text(public_pem(dossier_key(watch.workspace.keys)).decode(), output)


@dossier.command
def attribute(path: Path, *, by: ByFlag | None = None) -> None:
    """Record competing hypotheses about who is behind a campaign, from a TOML file. It has no effect until approved.

    Example: stillwatch dossier attribute assessment.toml --by ana
    """
    from stillwatch.evidence.attribution import read_assessment
    from stillwatch.python_api import now

    with current().open() as watch:
        assessment = read_assessment(path, author=by or getpass.getuser(), at=now())
        if assessment.campaign_id not in watch.known_campaigns():
            raise UsageError(f"there is no campaign {assessment.campaign_id!r}; `stillwatch campaigns` lists them")
        _kept(watch.workspace).write(assessment)
    talk(f"somebody else can now say: stillwatch dossier approve {assessment.assessment_id} --by NAME")
    sys.stdout.write(f"{assessment.assessment_id}\n")


@dossier.command
def approve(assessment: str, *, by: ByFlag, note: str = "") -> None:
    """Stand for an assessment that somebody else wrote; dossiers hold it from now on.

    Example: stillwatch dossier approve as-0123456789abcdef --by ben --note "read the sources"
    """
    _settle(assessment, "approved", by, note)


@dossier.command
def withdraw(assessment: str, *, by: ByFlag, note: str = "") -> None:
    """Take an assessment back; it stays on record and no dossier holds it any more.

    Example: stillwatch dossier withdraw as-0123456789abcdef --by ana --note "the address was reassigned"
    """
    _settle(assessment, "withdrawn", by, note)


def _settle(assessment: str, kind: str, by: str, note: str) -> None:
    from stillwatch.python_api import now

    with current().open() as watch:
        _kept(watch.workspace).settle(assessment, kind, author=by, note=note, at=now())
    talk(f"{assessment} is {kind} by {by}")


@dossier.command
def attributions(
    campaign: str | None = None, *, format: Annotated[Format, Parameter(name=["--format"])] = "table"
) -> None:
    """List assessments, of all campaigns or of one, oldest first.

    Example: stillwatch dossier attributions c-abcd1234 --format json
    """
    import pyarrow as pa

    with current().open() as watch:
        found = _kept(watch.workspace).all(campaign)
    rows = [
        {
            "assessment_id": one.assessment_id,
            "campaign_id": one.campaign_id,
            "hypothesis": hypothesis.kind.value,
            "likelihood": hypothesis.likelihood.words,
            "confidence": hypothesis.confidence.value,
            "author": one.author,
            "approved_by": one.approved_by,
            "withdrawn_by": one.withdrawn_by,
        }
        for one in found
        for hypothesis in one.hypotheses
    ]
    if rows:
        write_rows(pa.Table.from_pylist(rows), format, None)
    elif format == "json":
        write_json([])
    else:
        talk("no assessment is on record")


def _kept(workspace: "Workspace") -> "Attributions":
    from stillwatch.store.attributions import Attributions

    return Attributions(workspace.state, workspace.ledger)


def _stamped(path: Path, timestamp: Path, roots: Path | None) -> str:
    from stillwatch.guard.timestamping import check_stamp

    if roots is None:
        raise UsageError("a time stamp is checked against root certificates; name them with --timestamp-roots FILE")
    said = check_stamp(_existing(timestamp).read_bytes(), path.read_bytes(), _existing(roots).read_bytes())
    return f"the file was there at {said.at.isoformat()}, by the time-stamping authority's serial {said.serial}"


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return path

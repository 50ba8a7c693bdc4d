"""`sources`: what can be read, and a proposal for what cannot be read yet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stillwatch.cli.output import Format, Row, show_table, talk, write_json, write_text
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.sources.inference import Proposal


def sources(
    action: Literal["list", "infer"],
    file: Path | None = None,
    *,
    name: str = "my-log",
    format: Annotated[Format, Parameter(name=["--format"])] = "table",
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
) -> None:
    """List the telemetry formats, or propose a mapping file for a log that none of them reads.

    The proposal goes to standard output or -o FILE; what it covers and what is off without it, to standard error.
    Check it by eye: names can mislead.

    Examples:
        stillwatch sources list
        stillwatch sources infer calls.jsonl -o mapping.toml
        stillwatch ingest calls.jsonl --source mapped --mapping mapping.toml

    Parameters
    ----------
    file
        A file of JSON lines, CSV or Parquet; its first 2,000 records are looked at.
    name
        What the mapping calls its records' source.
    """
    if action == "list":
        _list(format, output)
    elif file is None:
        raise UsageError("name a file: stillwatch sources infer FILE")
    else:
        _infer(file, name, format, output)


def _list(format: Format, output: Path | None) -> None:
    from stillwatch.sources import names, source

    rows: list[Row] = []
    for name in names():
        found = source(name)
        plain = [suffix for suffix in found.suffixes if not suffix.endswith((".gz", ".zst"))]
        rows.append({"source": name, "version": found.version, "files": plain, "accounts": list(found.identity_order)})
    if format == "table":
        show_table(rows, ["source", "version", "files", "accounts"], output=output)
    else:
        write_json(rows, output)


def _infer(file: Path, name: str, format: Format, output: Path | None) -> None:
    from stillwatch.pipeline.coverage import losses
    from stillwatch.sources.inference import infer_mapping
    from stillwatch.sources.mapping_file import written

    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    proposal = infer_mapping(file, name=name)
    off = [str(loss) for loss in losses(proposal.coverage)]
    if format == "table":
        write_text(written(proposal.mapping, missing=proposal.missing), output)
        _tell(proposal, off)
    else:
        write_json(
            {
                "mapping": written(proposal.mapping, missing=proposal.missing), "n_records": proposal.n_records,
                "n_rejected": proposal.n_rejected, "coverage": dict(proposal.coverage),
                "unused": dict(proposal.unused), "missing": list(proposal.missing), "off": off,
            },
            output,
        )  # fmt: skip


def _tell(proposal: "Proposal", off: list[str]) -> None:
    talk(f"{proposal.n_records:,} records looked at, {proposal.n_rejected:,} of them would be rejected")
    for field, share in proposal.coverage.items():
        talk(f"  {field:<28} {share:7.1%}")
    if proposal.unused:
        talk(f"not used: {', '.join(f'{path} ({share:.0%})' for path, share in sorted(proposal.unused.items()))}")
    for line in off:
        talk(f"off: {line}")
    for field in proposal.missing:
        talk(f"incomplete: nothing was found for {field}; write its rule by hand before you use the mapping")

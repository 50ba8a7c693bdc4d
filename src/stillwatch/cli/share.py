"""`share`: what leaves to peers, authorities and the public, and what comes in."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.match import match
from stillwatch.cli.output import Format, Row, show_table, talk, write_json, write_rows
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.guard import Review
    from stillwatch.guard.channel import Peer
    from stillwatch.pipeline.sharing import Asked

share = App(
    name="share",
    help="Tell other laboratories, authorities and the public what is lawful to tell.",
    help_epilogue="""Examples:

    stillwatch share preview c-abcd1234 --to lab-b
    stillwatch share export c-abcd1234 --to lab-b -o bundle.json
    stillwatch share export c-abcd1234 --to agency --profile authority --approver "Ana Quill" -o package.json
    stillwatch share verify package.json --key HEX -o bundle.json
    stillwatch share log
""",
    result_action="return_value",
)

share.command(match)

FormatFlag = Annotated[Format, Parameter(name=["--format"])]
KeyFlag = Annotated[Path | None, Parameter(name=["--key"])]
OutputFlag = Annotated[Path, Parameter(name=["-o", "--output"])]
PeerFlag = Annotated[str, Parameter(name=["--to"])]
ProfileFlag = Literal["peer", "authority", "public"]
TlpFlag = Literal["clear", "green", "amber"] | None

KEY_BYTES = 32
_EXTENSION = re.compile(r"^extensions\.extension-definition--[0-9a-f-]+\.")
SHOWN = 60


@share.command
def preview(
    campaign: str,
    *,
    to: PeerFlag,
    profile: ProfileFlag = "peer",
    tlp: TlpFlag = None,
    format: FormatFlag = "table",
) -> None:
    """Show field by field what would leave and which rule decides. Nothing leaves.

    Example: stillwatch share preview c-abcd1234 --to lab-b --format json

    Parameters
    ----------
    to
        Who would get it; accounts have another pseudonym for each.
    tlp
        How far it may travel; default: as far as the profile lets it.
    """
    with current().open() as watch:
        shown = watch.sharing.preview(campaign, _asked(to, profile, tlp))
    rows: list[Row] = [
        {"object": d.object_id, "field": d.path, "class": d.field_class.value, "outcome": d.outcome, "rule": d.rule}
        for d in shown.decisions
    ]
    if format != "table":
        write_json({"terms": _terms(shown), "objects": list(shown.objects), "decisions": rows})
        return
    changed = _summed(row for row in rows if row["outcome"] != "allow")
    show_table(changed[:SHOWN], ["objects", "field", "class", "outcome", "rule", "n"], title="what changes or stays")
    counts = Counter(str(row["outcome"]) for row in rows)
    talk(
        f"{len(shown.objects):,} objects would leave, {len(shown.held_back):,} stay; fields: "
        + ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in ("allow", "transform", "drop"))
    )
    talk(_sentence(shown))
    if len(changed) > SHOWN:
        talk(f"{SHOWN} of {len(changed):,} lines shown; --format json has every field of every object")


@share.command
def export(
    campaign: str,
    *,
    to: PeerFlag,
    output: OutputFlag,
    profile: ProfileFlag = "peer",
    tlp: TlpFlag = None,
    approver: str | None = None,
    addresses_by: str | None = None,
) -> None:
    """Write a campaign as a STIX 2.1 bundle, or for an authority as a signed package. Every decision is recorded.

    Examples:
        stillwatch share export c-abcd1234 --to lab-b -o bundle.json
        stillwatch share export c-abcd1234 --to agency --profile authority --approver "Ana Quill" -o package.json

    Parameters
    ----------
    to
        Who gets it; accounts have another pseudonym for each.
    tlp
        How far it may travel; default: as far as the profile lets it.
    approver
        Who answers for it; authorities get nothing without.
    addresses_by
        Who opens network addresses in the vault, each opening recorded; default: none is opened.
    """
    with current().open() as watch:
        cleared = watch.sharing.export(campaign, _asked(to, profile, tlp, approver, addresses_by))
        is_signed = watch.sharing.write(cleared, output)
        key = watch.sharing.signer.public_key.hex()
        watch.checkpoint()
    talk(f"{len(cleared):,} objects are in {output}; record {cleared.record_id}, basis {cleared.terms.basis.id}")
    if is_signed:
        talk(f"signed; `stillwatch share verify` checks it with the key {key}, which the receiver hears another way")
    if cleared.terms.name != cleared.terms.asked:
        talk(f"the basis of profile {cleared.terms.asked} ran out: {cleared.terms.name} was used instead")


@share.command
def verify(
    package: Path, *, key: str, output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None
) -> None:
    """Check a signed package that came in, say who answers for it, and write its bundle. Needs no workspace.

    Example: stillwatch share verify package.json --key HEX -o bundle.json

    Parameters
    ----------
    key
        The sender's public key, 64 hexadecimal digits, as heard from a person there.
    """
    import msgspec

    from stillwatch.guard.package import unpacked

    try:
        body, public = package.read_bytes(), bytes.fromhex(key)
    except OSError as error:
        raise UsageError(f"{package} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError("a public key has 64 hexadecimal digits") from error
    if len(public) != KEY_BYTES:
        raise UsageError("a public key has 64 hexadecimal digits")
    statement, bundle = unpacked(body.strip(), public)
    if output is not None:
        output.write_bytes(bundle + b"\n")
    write_json(msgspec.to_builtins(statement))


@share.command
def publish(campaign: str, *, collection: str, tlp: TlpFlag = None) -> None:
    """Put a campaign on the shelf of a TAXII collection, for the peers that may read it.

    Example: stillwatch share publish c-abcd1234 --collection 91a7b528-80eb-42ed-a74d-c6fbd5a26116
    """
    from stillwatch.guard import Tlp

    with current().open() as watch:
        n_new = watch.sharing.publish(campaign, collection, None if tlp is None else Tlp[tlp.upper()])
        watch.checkpoint()
    talk(f"{n_new:,} objects are new in collection {collection}")


@share.command
def push(
    campaign: str,
    *,
    to: PeerFlag,
    url: str,
    collection: str,
    key: KeyFlag = None,
    profile: ProfileFlag = "peer",
    definitions: bool = True,
) -> None:
    """Send a campaign to a collection of a peer's TAXII server.

    Example: stillwatch share push c-abcd1234 --to lab-b --url https://lab-b.example/taxii2/root --collection ID

    Parameters
    ----------
    to
        Who gets it; accounts have another pseudonym for each.
    url
        The peer's API root.
    key
        File with the peer's API key, or `name:password`.
    definitions
        Whether the definitions of our extensions go along; medallion 3 breaks on them.
    """
    asked = replace(_asked(to, profile, None), with_definitions=definitions)
    with current().open() as watch:
        counts = watch.sharing.push(campaign, peer_at(url, key), collection, asked)
        watch.checkpoint()
    write_json(counts)


@share.command
def pull(*, source: Annotated[str, Parameter(name=["--from"])], url: str, collection: str, key: KeyFlag = None) -> None:
    """Take what a peer added to a collection since the last pull; indicators are matched from then on.

    Example: stillwatch share pull --from lab-b --url https://lab-b.example/taxii2/root --collection ID --key FILE

    Parameters
    ----------
    source
        Whose server it is.
    url
        The peer's API root.
    key
        File with the peer's API key, or `name:password`.
    """
    with current().open() as watch:
        pulled = watch.sharing.pull(peer_at(url, key), source, collection)
        watch.checkpoint()
    write_json(asdict(pulled))


@share.command
def indicators(*, seen: bool = False, format: FormatFlag = "table") -> None:
    """List the indicators of peers that are in force now, or with --seen those that own traffic shows.

    Examples:
        stillwatch share indicators --format json
        stillwatch share indicators --seen

    Parameters
    ----------
    seen
        Count the accounts in the latest run's window that an indicator names. Being named is no finding.
    """
    from datetime import UTC, datetime

    with current().open() as watch:
        known = watch.sharing
        rows = known.sighted() if seen else known.inbox.indicators(datetime.now(UTC))
    shown = ["n_accounts", "n_exchanges"] if seen else ["token_kind", "confidence", "valid_until"]
    write_rows(rows, format, None, columns=["peer", "kind", "value", *shown])


@share.command
def log(record: str | None = None, *, format: FormatFlag = "table") -> None:
    """List everything that left or came in, or every decision of one record.

    Examples:
        stillwatch share log
        stillwatch share log g-0123456789abcdef --format json
    """
    with current().open() as watch:
        known = watch.sharing.disclosures
        rows = (known.all() if record is None else known.decisions(record)).to_pylist()
    if format == "table":
        show_table(rows, list(rows[0]) if rows else ["record_id"])
    else:
        write_json(rows)


def _summed(rows: Iterable[Row]) -> list[Row]:
    """Decisions of one kind as one line, in the order of the first: equal for what is equal in a reader's eyes."""
    counts = Counter(
        (
            str(row["object"]).partition("--")[0] or "?", _EXTENSION.sub("", str(row["field"])) or "(all)",
            row["class"], row["outcome"], row["rule"],
        )
        for row in rows
    )  # fmt: skip
    names = ("objects", "field", "class", "outcome", "rule")
    return [{**dict(zip(names, told, strict=True)), "n": n} for told, n in counts.items()]


def peer_at(url: str, key: Path | None) -> "Peer":
    """The server at `url`, with the key in a file."""
    from stillwatch.guard.channel import Peer

    try:
        token = "" if key is None else key.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the key file {key} cannot be read ({type(error).__name__})") from error
    return Peer(url, token)


def _asked(to: str, profile: str, tlp: str | None, approver: str | None = None, opener: str | None = None) -> "Asked":
    from stillwatch.guard import Tlp
    from stillwatch.pipeline.sharing import Asked

    return Asked(to, profile, None if tlp is None else Tlp[tlp.upper()], approver, opener)


def _terms(shown: "Review") -> dict[str, object]:
    terms = shown.terms
    return {"asked": terms.asked, "profile": terms.name, "basis": terms.basis.id, "policy_digest": shown.policy_digest}


def _sentence(shown: "Review") -> str:
    terms = shown.terms
    said = f"profile {terms.name}, legal basis {terms.basis.id}"
    return said if terms.name == terms.asked else f"{said}; profile {terms.asked} has no basis in force"

"""`share match`: comparing sets with another laboratory without showing them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, talk, write_json, write_rows
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.guard.channel import Peer
    from stillwatch.guard.matching import ClearedStep
    from stillwatch.pipeline.matching import Matchmaker

match = App(
    name="match",
    help="Compare sets of tokens with another laboratory without showing them.",
    help_epilogue="""Examples:

    stillwatch share match key
    stillwatch share match offer --to lab-b --kind texts -o offer.json
    stillwatch share match answer offer.json --from lab-a -o commit.json
    stillwatch share match consent m-0123456789abcdef0123456789abcdef --by "Ana Quill" -o consent.json
""",
    result_action="return_value",
)

KeyFlag = Annotated[Path | None, Parameter(name=["--key"])]
OutputFlag = Annotated[Path | None, Parameter(name=["-o", "--output"])]


@match.command
def key() -> None:
    """Print the public key that partners check this laboratory's messages against.

    Example: stillwatch share match key
    """
    with current().open() as watch:
        write_json({"public_key": watch.sharing.matchmaker.signer.public_key.hex()})


@match.command
def offer(
    *,
    to: str,
    kind: str,
    reveal_at: int | None = None,
    opened_by: str = "",
    output: OutputFlag = None,
    key: KeyFlag = None,
) -> None:
    """Offer a partner to compare the latest run's near tokens of a kind: to a file, or at the partner's server.

    Examples:
        stillwatch share match offer --to lab-b --kind texts -o offer.json
        stillwatch share match offer --to lab-b --kind address --opened-by "Ana Quill" --key lab-b.key

    Parameters
    ----------
    kind
        `texts` (all that is compared as hashes), or a token kind that the sharing policy names under [matching].
    reveal_at
        From how many hits on both may learn which; default: the least that the policy allows.
    opened_by
        Who answers for opening identities in the vault, each opening recorded.
    key
        File with the partner's API key, where its settings name a server.
    """
    with current().open() as watch:
        maker = watch.sharing.matchmaker
        first = maker.offer(to, kind, reveal_at=reveal_at, opener=opened_by)
        _send(maker, first, to, output, key)
        watch.checkpoint()


@match.command
def answer(
    message: Path, *, source: Annotated[str, Parameter(name=["--from"])], opened_by: str = "", output: OutputFlag = None
) -> None:
    """Take a partner's message from a file and write the answer; a count or a reveal is told.

    Example: stillwatch share match answer offer.json --from lab-a -o commit.json

    Parameters
    ----------
    source
        Whose message it is.
    opened_by
        Who answers for opening identities in the vault, where an offer is about them.
    """
    from stillwatch.guard.channel import write_step

    try:
        body = message.read_bytes()
    except OSError as error:
        raise UsageError(f"{message} cannot be read ({error.strerror})") from error
    with current().open() as watch:
        maker = watch.sharing.matchmaker
        reply = maker.take(body.strip(), source, opener=opened_by)
        if reply is None:
            talk("no answer is due: a person consents first, or the session is over")
        elif output is None:
            raise UsageError("an answer is due; say where it goes with -o FILE")
        else:
            write_step(reply, output)
            talk(f"the answer is in {output}; the other side takes it next")
        watch.checkpoint()


@match.command
def consent(session: str, *, by: str, output: OutputFlag = None, key: KeyFlag = None) -> None:
    """Let both sides learn which items match, after enough were counted.

    Example: stillwatch share match consent m-0123456789abcdef0123456789abcdef --by "Ana Quill" -o consent.json
    """
    with current().open() as watch:
        maker = watch.sharing.matchmaker
        said = maker.consent(session, author=by)
        known = maker.matches.row(session)
        if output is None and not known["is_asking"]:
            talk(f"{known['peer']} gets the answer when it asks again")
        else:
            _send(maker, said, str(known["peer"]), output, key)
        watch.checkpoint()


@match.command(name="list")
def sessions(*, format: Annotated[Format, Parameter(name=["--format"])] = "table") -> None:
    """List every session: with whom, about what, how far it came and what was counted.

    Example: stillwatch share match list --format json
    """
    with current().open() as watch:
        rows = watch.sharing.matchmaker.matches.all()
    write_rows(rows, format, None, columns=["session_id", "peer", "token_kind", "status", "counted", "n_own", "fault"])


@match.command
def release(partner: str, *, by: str, note: str) -> None:
    """Let a partner compare again that matched a canary.

    Example: stillwatch share match release lab-b --by "Ana Quill" --note "their test set was ours"
    """
    with current().open() as watch:
        n_frozen = watch.sharing.matchmaker.matches.release(partner, author=by, note=note, at=datetime.now(UTC))
        watch.checkpoint()
    talk(f"{n_frozen:,} sessions had frozen {partner}")


def _send(maker: "Matchmaker", step: "ClearedStep", partner: str, output: Path | None, key: Path | None) -> None:
    from stillwatch.guard.channel import write_step

    if output is not None:
        write_step(step, output)
        talk(f"session {step.step.session}: the message is in {output}; {partner} takes it next")
        return
    maker.converse(step, partner, _peer(maker.partner(partner).url, key))
    write_json(maker.matches.row(step.step.session))


def _peer(url: str, key: Path | None) -> "Peer":
    from stillwatch.cli.share import peer_at

    if not url:
        raise UsageError("the settings name no server of this partner; write the message to a file with -o")
    return peer_at(url, key)

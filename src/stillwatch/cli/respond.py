"""`respond`: what is done about findings, and how it is taken back."""

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import Format, Row, plain_row, show_table, talk, write_json, write_rows
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stillwatch.pipeline.response import Responder
    from stillwatch.response import BackTest, Plan

TOUCHED = 1
SHOWN = 50
PLAN_COLUMNS = (
    "subject_id", "outcome", "action", "mode", "rule", "campaign_id", "tier", "n_token_kinds", "score", "why",
)  # fmt: skip

respond = App(
    name="respond",
    help="Decide what is done about findings, and take it back.",
    help_epilogue="""Examples:

    stillwatch respond policy -o response.toml
    stillwatch respond plan
    stillwatch respond apply --by ana --second ben
    stillwatch respond appeal acct-42 --by ana --note "a class at a school"
    stillwatch respond kill on --by ana --note "false accusations in support"
""",
    result_action="return_value",
)

PolicyFlag = Annotated[Path, Parameter(name=["--policy"], env_var="STILLWATCH_RESPONSE_POLICY")]
FormatFlag = Annotated[Format, Parameter(name=["--format"])]
OutputFlag = Annotated[Path | None, Parameter(name=["-o", "--output"])]
ByFlag = Annotated[str, Parameter(name=["--by"])]
POLICY_FILE = Path("response.toml")


@respond.command
def policy(*, output: OutputFlag = None) -> None:
    """Print a response policy to start from; every rule of it is in dry_run.

    Example: stillwatch respond policy -o response.toml
    """
    text = (files("stillwatch.response") / "starter.toml").read_text(encoding="utf-8")
    if output is None:
        sys.stdout.write(text)
    elif output.exists():
        raise UsageError(f"{output} exists already; name another file with -o FILE")
    else:
        output.write_text(text, encoding="utf-8")
        talk(f"{output} is written; next: stillwatch respond plan --policy {output}")


@respond.command
def plan(
    *,
    policy: PolicyFlag = POLICY_FILE,
    run: str | None = None,
    days: int = 30,
    fail_on: Literal["touched"] | None = None,
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> int:
    """Show who would be touched and why, and what the policy would have done on past days. Changes nothing.

    Examples:
        stillwatch respond plan --policy response.toml
        stillwatch respond plan --days 7 --format json
        stillwatch respond plan --format parquet -o plan.parquet --fail-on touched

    Parameters
    ----------
    policy
        The response policy.
    run
        Detection run whose findings are looked at; default: the latest.
    days
        Days of earlier runs that the policy is replayed on.
    fail_on
        Exit with 1 when an account would be touched.
    """
    from stillwatch.response import Policy
    from stillwatch.response.listing import back_test_summary, plan_rows, plan_summary

    chosen = Policy.read(policy)
    with _responder() as responder:
        made = responder.plan(chosen, run)
        past = responder.back_test(chosen, days=days)
        switch = responder.kill_switch()
    if switch.is_on:
        talk(f"the kill switch is on (by {switch.author}: {switch.note}): nothing can be applied and nothing acts")
    _say_plan(made)
    for reason in made.needs_second:
        talk(f"two people must agree: {reason}")
    if format == "json":
        past_said = plain_row(dict(back_test_summary(past)))
        write_json({**plan_summary(made), "lines": plan_rows(made).to_pylist(), "back_test": past_said}, output)
    elif format == "table":
        _show_plan(made, past, output)
    else:
        write_rows(plan_rows(made), format, output)
    return TOUCHED if fail_on and made.n_touched else 0


@respond.command
def apply(
    *,
    by: ByFlag,
    second: str | None = None,
    policy: PolicyFlag = POLICY_FILE,
    run: str | None = None,
    format: FormatFlag = "table",
    output: OutputFlag = None,
) -> None:
    """Record what the plan says and publish it to gateways.

    Suspensions, and plans that touch a large share of customers, take two people.

    Examples:
        stillwatch respond apply --by ana
        stillwatch respond apply --by ana --second ben --format json

    Parameters
    ----------
    by
        Who decides.
    second
        The other person, where two must agree.
    policy
        The response policy.
    run
        Detection run whose findings are decided on; default: the latest.
    """
    from stillwatch.response import Policy
    from stillwatch.response.listing import plan_rows, plan_summary

    chosen = Policy.read(policy)
    with _responder() as responder:
        made = responder.apply(chosen, author=by, second=second, run_id=run)
        talk(f"published {responder.snapshot_path}")
    _say_plan(made)
    if format == "json":
        write_json({**plan_summary(made), "lines": plan_rows(made).to_pylist()}, output)
    else:
        write_rows(plan_rows(made), format, output, columns=plan_rows(made).column_names)


@respond.command
def appeal(account: str, *, by: ByFlag, note: str, unseen: bool = False) -> None:
    """Grant an account's appeal: it is restored at once and recorded as honest, so that calibration learns.

    Examples:
        stillwatch respond appeal acct-42 --by ana --note "a class at a school"
        stillwatch respond appeal acct-43 --by ana --note "signed up today" --unseen

    Parameters
    ----------
    account
        The account, as telemetry names it.
    by
        Who grants it.
    note
        Why.
    unseen
        The account was caught on its first request, and no telemetry names it yet.
    """
    with _responder() as responder:
        done = responder.appeal(account, author=by, note=note, unseen=unseen)
    talk(f"{account} is restored: {done.n_ended} decisions ended, and it is judged honest")
    talk(f"appeals granted: {done.budget.n_granted:,} on {done.budget.n_enforced:,} accounts with a decision in force")
    if done.is_rolled_back:
        talk("that spends the false-positive budget: everything was rolled back and the kill switch is on")


@respond.command
def kill(state: Literal["on", "off"], *, by: ByFlag, second: str | None = None, note: str = "") -> None:
    """Stop every decision at once, or let them go on. Turning it off takes two people.

    Examples:
        stillwatch respond kill on --by ana --note "false accusations in support"
        stillwatch respond kill off --by ana --second ben

    Parameters
    ----------
    state
        on or off.
    by
        Who says so.
    second
        The other person, to turn it off.
    note
        Why.
    """
    with _responder() as responder:
        responder.kill(is_on=state == "on", author=by, second=second, note=note)
    talk(f"the kill switch is {state}")


@respond.command
def decisions(*, format: FormatFlag = "table", output: OutputFlag = None) -> None:
    """List every decision that was ever made, with what became of it.

    Example: stillwatch respond decisions --format csv
    """
    with _responder() as responder:
        rows = responder.history()
    columns = (
        "decision_id",
        "account_id",
        "campaign_id",
        "action",
        "mode",
        "rule",
        "status",
        "decided_at",
        "expires_at",
    )
    write_rows(rows, format, output, columns=columns)


@respond.command
def snapshot(*, output: OutputFlag = None) -> None:
    """Publish the signed snapshot of what stands now, and print the key that gateways check it against.

    Example: stillwatch respond snapshot -o /var/lib/gateway/decisions.snapshot
    """
    with _responder() as responder:
        path = responder.publish(output)
        write_json({"path": str(path), "public_key": responder.public_key.hex()})


@respond.command
def suspended(*, gateway: Literal["text", "envoy", "nginx"] = "text", output: OutputFlag = None) -> None:
    """List the suspended accounts for a gateway that refuses them by itself while nobody answers it.

    Examples:
        stillwatch respond suspended
        stillwatch respond suspended --gateway envoy -o /etc/envoy/suspended.json

    Parameters
    ----------
    gateway
        In whose words: one account a line, Envoy's extension file, or the inside of nginx' map.
    """
    from stillwatch.response import Gateway, refusals
    from stillwatch.store.storage import LocalStorage

    with _responder() as responder:
        accounts = responder.suspended()
    talk(f"{len(accounts):,} accounts are suspended")
    headers = current().settings().config.serve.gateway.account_headers
    body = refusals(accounts, Gateway(gateway), account_header=next(iter(headers), ""))
    if output is None:
        sys.stdout.write(body.decode())
    else:  # at once: a gateway may be reading the file
        LocalStorage(output.absolute().parent).publish(output.name, body)


@contextmanager
def _responder() -> "Iterator[Responder]":
    """The responder of the workspace in force."""
    from stillwatch.pipeline.response import Responder
    from stillwatch.python_api import now

    with current().open() as watch:
        yield Responder(watch.workspace, watch.config, clock=now)


def _say_plan(made: "Plan") -> None:
    counts = Counter(line.outcome.value for line in made.lines)
    talk(
        f"{made.n_touched:,} of {made.facts.n_customers:,} customers touched "
        f"(cap {made.cap:,} an hour, {made.n_touched_before:,} used); "
        + ", ".join(f"{outcome.replace('_', ' ')} {n:,}" for outcome, n in sorted(counts.items()))
    )


def _show_plan(made: "Plan", past: "BackTest", output: Path | None) -> None:
    from stillwatch.response.listing import plan_rows, rule_counts

    rules = rule_counts(made).to_pylist()
    if rules and output is None:
        show_table(rules, list(rules[0]), title="by rule")
    rows: list[Row] = plan_rows(made).to_pylist()
    show_table(rows[:SHOWN], list(PLAN_COLUMNS), output=output, title="what would be done")
    if len(rows) > SHOWN:
        talk(f"{SHOWN} of {len(rows):,} lines shown; other formats have them all")
    if output is None and past.runs:
        runs: list[Row] = [asdict(run) for run in past.runs]
        show_table(runs, list(runs[0]), title="the same rules, enforced, on earlier runs")
    honest = "" if past.honest_share is None else f", {past.honest_share:.2%} of them judged honest since"
    talk(
        f"back-test over {len(past.runs)} runs: {past.n_touched:,} accounts touched{honest}; "
        f"at most {past.peak_share_per_hour:.3%} of customers in an hour"
    )

"""`stillwatch provenance`: was this model made from ours?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.output import Format, Row, show_table, talk, write_json, write_rows
from stillwatch.cli.suspect_tests import OutputFlag, PlanFlag, opened, registered_plan, test
from stillwatch.errors import UsageError

if TYPE_CHECKING:
    from stillwatch.pipeline.provenance import Provenance
    from stillwatch.provenance.probe.client import Client

provenance = App(
    name="provenance",
    help="Was this model made from ours? Keyed canaries, twins, passive attribution.",
    help_epilogue="""Examples:

    stillwatch provenance demo
    stillwatch provenance pool build answers.parquet models.csv -o pool
    stillwatch provenance probe plan.toml --endpoint https://suspect.example/v1 -o answers.jsonl
    stillwatch provenance test passive answers.jsonl --pool pool --suspect s-1 --provider ours -o passive.json
    stillwatch provenance verdict passive.json --suspect s-1 --report provenance.html
""",
    result_action="return_value",
)
pool = App(name="pool", help="Reference pools for passive attribution.", result_action="return_value")
provenance.command(pool)
provenance.command(test)

RequiredOutput = Annotated[Path, Parameter(name=["--output", "-o"])]


@provenance.command(name="plan-canaries")
def plan_canaries(
    *subjects: str, epoch: str, density: float = 0.2, control_share: float = 0.1, following: float | None = None,
    outputs: int = 655, seed: int = 7, output: RequiredOutput,
) -> None:  # fmt: skip
    """Plan keyed canaries and write their commitments to the ledger, before anything is served.

    The plan that is written holds no key and may be handed to gateways.

    Example: stillwatch provenance plan-canaries c-7f2a cohort-3 --epoch 2026-05 -o canaries.json

    Parameters
    ----------
    subjects
        Campaigns or cohorts; each gets a key of its own.
    epoch
        Name of the period; another one has other keys.
    density
        Share of their requests that carry the canary.
    control_share
        Share of their accounts that never do.
    following
        Also say how likely a student is found that follows its key in this share of habits.
    outputs
        Habits that would be seen in the suspect's answers.
    """
    import msgspec

    with opened() as own:
        plan, entry = own.plan_canaries(subjects, epoch=epoch, density=density, control_share=control_share)
        if following is not None:
            power = own.canary_power(plan, following=following, n_outputs=outputs, seed=seed)
            talk(f"a student that follows in {following:.0%} of {outputs:,} habits is found with chance {power:.2f}")
    output.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2))
    talk(
        f"{plan.plan_id}: {len(plan.campaigns)} keys and {plan.n_decoys:,} decoys committed to in ledger entry {entry}"
    )


@provenance.command(name="seal-twins")
def seal_twins(
    served: Path, *, endpoint: str, share: float | None = None, api_key_env: str = "",
    prefixes: Path | None = None, output: RequiredOutput,
) -> None:  # fmt: skip
    """Sample again a small share of served exchanges; the digest of the pairs goes to the ledger, the texts stay here.

    `served` is JSONL: call_id, prompt, output, model, temperature, max_tokens, and optionally top_p and system.

    Example: stillwatch provenance seal-twins served.jsonl --endpoint https://llm.internal/v1 -o twins.jsonl

    Parameters
    ----------
    served
        Flagged exchanges as they were served.
    endpoint
        Our own model behind an OpenAI-compatible address.
    share
        Share that gets a twin; default: the setting `provenance.twin.share`.
    api_key_env
        Environment variable that holds the key of the endpoint.
    prefixes
        Also write prompts with the first words of either answer, for a probe plan and the metric `continuation`.
    """
    from stillwatch.provenance.files import read_served
    from stillwatch.provenance.twins.continuation import continuation_prompts
    from stillwatch.provenance.twins.sampler import Served

    with opened() as own:
        client = _client(own, endpoint, api_key_env)

        def resample(call: Served) -> tuple[str, str]:
            system = [{"role": "system", "content": call.system}] if call.system else []
            reply = client.ask([*system, {"role": "user", "content": call.prompt}], model=call.model,
                               temperature=call.temperature, top_p=call.top_p, max_tokens=call.max_tokens)  # fmt: skip
            return reply.text, reply.model

        chosen = own.settings.twin.share if share is None else share
        twins, refused, entry = own.seal_twins(read_served(served), resample, chosen)
    _write_lines(output, twins)
    if prefixes is not None:
        _write_lines(prefixes, continuation_prompts(twins))
    for refusal in refused:
        talk(f"no twin of {refusal.call_id}: {refusal.reason}")
    talk(f"{len(twins):,} twins sealed in ledger entry {entry}; {len(refused):,} refused")


@pool.command(name="build")
def build(answers: Path, models: Path, *, channels: str = "phrases,words,opening", output: RequiredOutput) -> None:
    """Build a reference pool from your own files.

    `answers` has prompt_id, model, output and, for transcripts of agents, tool_names. `models` has model, organisation,
    provider, relatives, descends_from (lists separated by semicolons) and year.

    Example: stillwatch provenance pool build answers.parquet models.csv -o pool

    Parameters
    ----------
    channels
        What is compared; transcripts of agents and of coding add `structure`.
    """
    from stillwatch.provenance.files import pool_from_files

    built = pool_from_files(answers, models, tuple(name.strip() for name in channels.split(",")))
    built.write(output)
    talk(f"{len(built.models)} models over {len(built.prompts):,} prompts; providers: {', '.join(built.providers)}")


@provenance.command
def probe(plan: Path, *, endpoint: str, api_key_env: str = "", output: RequiredOutput) -> None:
    """Register a plan in the ledger, then ask the suspect; run again to go on where it stopped.

    Example: stillwatch provenance probe plan.toml --endpoint https://suspect.example/v1 -o answers.jsonl

    Parameters
    ----------
    plan
        TOML with suspect, model, prompts, hypotheses, alpha, and sampling settings.
    endpoint
        OpenAI-compatible address up to and including /v1.
    api_key_env
        Environment variable that holds the key of the endpoint.
    """
    from stillwatch.provenance.probe.plan import read_plan

    registered = read_plan(plan)
    with opened() as own:
        done = own.probe(registered, _client(own, endpoint, api_key_env), output)
    talk(f"{done.n_asked:,} asked, {done.n_answers:,} answers in {output}; registered as {registered.digest}")


@provenance.command
def verdict(
    *findings: Path, suspect: str, plan: PlanFlag = None, report: Path | None = None, output: OutputFlag = None
) -> None:
    """Say what all findings about a suspect come to, and record it. No verdict says that a suspect is innocent.

    Example: stillwatch provenance verdict passive.json twins.json --suspect s-1 --report provenance.html

    Parameters
    ----------
    findings
        What the tests wrote.
    plan
        The registered plan; its weights combine the e-values.
    report
        Write the section for the dossier, with plots, to this HTML file.
    """
    import msgspec

    from stillwatch.cli.report.provenance import section
    from stillwatch.provenance.finding import Finding

    try:
        read = [msgspec.json.decode(path.read_bytes(), type=Finding) for path in findings]
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"a finding cannot be read ({type(error).__name__}); give what `provenance test` wrote"
        ) from error
    with opened() as own:
        conclusion = own.conclude(suspect, read, registered_plan(plan))
    if report is not None:
        report.write_text(section(suspect, conclusion), encoding="utf-8")
    write_json(
        {
            "suspect": suspect,
            "verdict": conclusion.verdict.value,
            "e_value": conclusion.e_value,
            "reasons": list(conclusion.reasons),
            "findings": [msgspec.to_builtins(finding) for finding in read],
        },
        output,
    )


@provenance.command
def verdicts(*, format: Format = "table", output: OutputFlag = None) -> None:
    """List the verdicts that were recorded.

    Example: stillwatch provenance verdicts --format csv
    """
    with opened() as own:
        rows = own.verdicts()
    write_rows(rows, format, output, columns=("verdict_id", "suspect", "verdict", "tests", "e_value", "reached_at"))


@provenance.command
def demo(*, students: Literal["ngram", "neural"] = "ngram", seed: int = 7) -> None:
    """Show the tests on tiny models: students of marked and of served answers, and controls.

    Example: stillwatch provenance demo --students neural

    Parameters
    ----------
    students
        Models that count words, in seconds; or networks that are trained, in minutes (extra `provenance`).
    """
    from stillwatch.provenance.demo.neural import Networks
    from stillwatch.provenance.demo.ngram import NGrams
    from stillwatch.provenance.demo.run import demonstrate

    if students == "ngram":
        outcomes = demonstrate(NGrams(), seed=seed)
    else:
        outcomes = demonstrate(Networks(), seed=seed, n_prompts=1500)
    rows: list[Row] = [
        {
            "suspect": outcome.suspect,
            "made_from_ours": outcome.is_made_from_ours,
            "test": outcome.finding.test,
            "p_value": outcome.finding.p_value,
            "effect": outcome.finding.effect_value,
            "rejects": outcome.finding.rejects,
        }
        for outcome in outcomes
    ]
    show_table(rows, list(rows[0]))


def _client(own: "Provenance", endpoint: str, api_key_env: str) -> "Client":
    from stillwatch.provenance.probe.client import Client

    if api_key_env and api_key_env not in os.environ:
        raise UsageError(f"the environment has no {api_key_env}; export it, or leave --api-key-env out")
    return Client(endpoint, own.settings.probe, os.environ[api_key_env] if api_key_env else "")


def _write_lines(path: Path, rows: "Sequence[object]") -> None:
    """JSONL that only its owner can read: it holds prompts and answers."""
    import msgspec

    path.touch(mode=0o600)
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

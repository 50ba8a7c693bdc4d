"""`stillwatch provenance test`: one test of a suspect, and its finding as JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from stillwatch.cli.context import current
from stillwatch.cli.output import talk, write_json

if TYPE_CHECKING:
    from stillwatch.pipeline.provenance import Provenance
    from stillwatch.provenance.finding import Finding
    from stillwatch.provenance.probe.plan import Registered

test = App(name="test", help="Run one test; its finding is written as JSON.", result_action="return_value")

OutputFlag = Annotated[Path | None, Parameter(name=["--output", "-o"])]
PlanFlag = Annotated[Path | None, Parameter(name="--plan")]


@test.command
def passive(
    answers: Path, *, pool: Path, suspect: str, provider: str, year: int | None = None, seed: int = 7,
    plan: PlanFlag = None, output: OutputFlag = None,
) -> None:  # fmt: skip
    """Test whether a suspect stands closer to a provider than unrelated models do (grade B).

    Example: stillwatch provenance test passive answers.jsonl --pool pool --suspect s-1 --provider ours -o passive.json

    Parameters
    ----------
    answers
        The suspect's answers: prompt_id and output.
    provider
        The family in the pool that stands for us.
    year
        The suspect's era; references of another are left out.
    plan
        The registered plan that asked for the answers.
    """
    from stillwatch.provenance.files import as_registered, passive_from_files, registered_levels

    registered = registered_plan(plan)
    settings = registered_levels(current().settings().config.provenance, registered)
    finding = passive_from_files(
        pool, answers, suspect=suspect, provider=provider, settings=settings, seed=seed, year=year
    )
    _write(as_registered(finding, answers, registered), output)


@test.command
def canaries(
    answers: Path, *, canary_plan: Path, prompts: Path | None = None, plan: PlanFlag = None, output: OutputFlag = None
) -> None:
    """Test whether a suspect's habits follow our secret keys, and which campaign's (grade A).

    Example: stillwatch provenance test canaries answers.jsonl --canary-plan canaries.json --prompts prompts.jsonl

    Parameters
    ----------
    answers
        The suspect's answers: prompt_id and output; or, without --prompts, its tokens, for a token watermark.
    canary_plan
        What `plan-canaries` wrote.
    prompts
        The prompts that were answered: prompt_id and prompt. They hold no canary text.
    plan
        The registered plan that asked for the answers.
    """
    from stillwatch.provenance.canary.plan import read_canary_plan
    from stillwatch.provenance.files import as_registered, canary_from_files, registered_levels, watermark_from_files

    registered = registered_plan(plan)
    committed = read_canary_plan(canary_plan)
    with opened() as own:
        own.check_committed(committed)
        settings = registered_levels(own.settings, registered)
        if prompts is None:
            finding = watermark_from_files(committed, answers, master=own.master, settings=settings)
        else:
            finding = canary_from_files(committed, answers, prompts, master=own.master, settings=settings)
    _write(as_registered(finding, answers, registered), output)


@test.command
def twins(
    answers: Path, *, twins: list[Path], metric: Literal["logprob", "continuation", "overlap"], seed: int = 7,
    plan: PlanFlag = None, output: OutputFlag = None,
) -> None:  # fmt: skip
    """Test whether a suspect stands closer to served answers than to their twins (grade A-).

    Example: stillwatch provenance test twins scored.jsonl --twins twins.jsonl --metric logprob -o twins.json

    Parameters
    ----------
    answers
        prompt_id (the twin's call_id) with served_logprob and twin_logprob; output for `overlap` and `continuation`.
    twins
        What `seal-twins` wrote; name each file where there are several. The ledger must hold their seals.
    metric
        Fixed before the suspect was asked.
    plan
        The registered plan that asked for the answers.
    """
    from stillwatch.provenance.files import (
        as_registered,
        check_metric,
        read_twins,
        registered_levels,
        twins_from_files,
    )

    registered = registered_plan(plan)
    check_metric(metric, registered)
    sealed = {path: read_twins(path) for path in twins}
    with opened() as own:
        for path, pairs in sealed.items():
            own.check_sealed(pairs, path)
        settings = registered_levels(own.settings, registered)
    together = [pair for pairs in sealed.values() for pair in pairs]
    finding = twins_from_files(together, answers, metric=metric, settings=settings, seed=seed)
    _write(as_registered(finding, answers, registered), output)


@contextmanager
def opened() -> "Iterator[Provenance]":
    """The provenance of the workspace that the command line names."""
    from stillwatch.pipeline.provenance import Provenance
    from stillwatch.python_api import now

    with current().open() as watch:
        yield Provenance(watch.workspace, watch.config, clock=now)


def registered_plan(path: Path | None) -> "Registered | None":
    """The plan in the file, none without one."""
    from stillwatch.provenance.probe.plan import read_plan

    return None if path is None else read_plan(path)


def _write(finding: "Finding", output: Path | None) -> None:
    import msgspec

    write_json(msgspec.to_builtins(finding), output)
    talk(
        f"{finding.test} (grade {finding.grade}): p {finding.p_value:.3g}, {finding.effect} {finding.effect_value:.3g}"
    )
    for refusal in finding.refusals:
        talk(f"no answer: {refusal}")
    for control in finding.controls:
        talk(f"control, {control.name}: {control.n_flagged} of {control.n} flagged at {control.level:g}")

"""The tests on files, as the command line has them: what to read for each, and at which level it is run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.errors import ProvenanceError
from stillwatch.model.capability import CAPABILITIES
from stillwatch.provenance.answers import first_answers, read_answers, read_table
from stillwatch.provenance.canary.keyrank import keyrank, observed_cells
from stillwatch.provenance.canary.keys import campaign_key, decoy_keys
from stillwatch.provenance.canary.marks import Mark, Pairs, mark_keyrank
from stillwatch.provenance.canary.plan import CanaryPlan
from stillwatch.provenance.finding import Finding
from stillwatch.provenance.passive import Pool, PoolModel, attribute, build_pool, outside_suspect
from stillwatch.provenance.passive.channels import CHANNELS
from stillwatch.provenance.probe.plan import Registered
from stillwatch.provenance.settings import Settings
from stillwatch.provenance.twins.continuation import continuation_gaps
from stillwatch.provenance.twins.run import TEST as TWIN_TEST
from stillwatch.provenance.twins.run import Metric, log_probability_gaps, overlap_gaps, twin_sign
from stillwatch.provenance.twins.sampler import Served, Twin
from stillwatch.sketches import sketch_prompts

Ints = npt.NDArray[np.int64]
Line = TypeVar("Line", Served, Twin)

LIST_SEPARATOR: Final = ";"
"""Between the names of a list in a CSV of models."""


def registered_levels(settings: Settings, registered: Registered | None) -> Settings:
    """The settings with the levels of the registered plan."""
    if registered is None:
        return settings
    alpha = registered.plan.alpha
    keyed = min((alpha[test] for test in ("canary_keyrank", "watermark_keyrank") if test in alpha), default=None)
    changed = {"passive": alpha.get("passive_conformal"), "canary": keyed, "twin": alpha.get("twin_sign")}
    return msgspec.structs.replace(
        settings,
        **{name: msgspec.structs.replace(getattr(settings, name), alpha=level)
           for name, level in changed.items() if level is not None},
    )  # fmt: skip


def as_registered(finding: Finding, answers: Path, registered: Registered | None) -> Finding:
    """The finding with the digest of the plan that asked for the answers.

    Raises:
        ProvenanceError: an answer in the file was not asked for by the plan.
    """
    if registered is None:
        return finding
    table = read_table(answers, ("registration",))
    if pc.any(pc.not_equal(table["registration"], registered.digest)).as_py():
        raise ProvenanceError(f"{answers} has answers that the registered plan did not ask for")
    return msgspec.structs.replace(finding, registration=registered.digest)


def read_models(path: Path) -> list[PoolModel]:
    """The models of a pool from a CSV, JSONL or Parquet file: `model`, `organisation`, and what else is declared."""
    rows = read_table(path, ("model", "organisation")).to_pylist()
    return [
        PoolModel(
            name=str(row["model"]),
            organisation=str(row["organisation"]),
            provider=row.get("provider") or "",
            relatives=_names(row.get("relatives")),
            descends_from=_names(row.get("descends_from")),
            year=int(row.get("year") or 0),
        )
        for row in rows
    ]


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(name) for name in value)
    return tuple(filter(None, str(value or "").split(LIST_SEPARATOR)))


def pool_from_files(answers: Path, models: Path, channels: tuple[str, ...]) -> Pool:
    """The pool of answers (`prompt_id`, `model`, `output`) and declared models.

    Raises:
        ProvenanceError: a channel is not known, or the files do not make a pool.
    """
    unknown = sorted(set(channels) - CHANNELS.keys())
    if unknown:
        raise ProvenanceError(f"no such channel: {', '.join(unknown)}; there are {', '.join(CHANNELS)}")
    return build_pool(read_answers(answers, needs_model=True), read_models(models), channels=channels)


def passive_from_files(
    pool: Path, answers: Path, *, suspect: str, provider: str, settings: Settings, seed: int, year: int | None = None
) -> Finding:
    """The passive test of a suspect's answers against a pool in a folder."""
    reference = Pool.read(pool)
    measured = outside_suspect(reference, suspect, read_answers(answers))
    rng = np.random.default_rng(seed)
    return attribute(reference, measured, provider, settings=settings.passive, rng=rng, year=year)


def canary_from_files(plan: CanaryPlan, answers: Path, prompts: Path, *, master: bytes, settings: Settings) -> Finding:
    """The key-rank test of a suspect's answers; `prompts` has `prompt_id` and `prompt`, for the prompt classes."""
    said = first_answers(read_answers(answers))
    asked = read_table(prompts, ("prompt_id", "prompt"))
    place = pc.index_in(said["prompt_id"], value_set=asked["prompt_id"].cast(pa.string()).combine_chunks())
    if place.null_count:
        raise ProvenanceError(f"{answers} answers {place.null_count} prompts that {prompts} does not have")
    texts = asked["prompt"].cast(pa.string()).combine_chunks().take(place.combine_chunks())
    cells = observed_cells(said["output"].combine_chunks(), prompt_classes(texts))
    return keyrank(cells, plan, master, settings=settings.canary)


def prompt_classes(prompts: pa.Array) -> Ints:
    """The class of each prompt, as ingest tags it."""
    nothing = pa.nulls(len(prompts), pa.string())
    sketches = sketch_prompts(prompts, nothing, nothing)
    names = pa.array([capability.value for capability in CAPABILITIES])
    column = sketches["capability"]
    places = column if pa.types.is_integer(column.type) else pc.index_in(column.cast(pa.string()), value_set=names)
    return np.asarray(places.to_numpy(zero_copy_only=False), dtype=np.int64)


def watermark_from_files(plan: CanaryPlan, answers: Path, *, master: bytes, settings: Settings) -> Finding:
    """The token test of a suspect's answers: `tokens` holds the token ids of each, by the served model's tokenizer."""
    lists = read_table(answers, ("tokens",))["tokens"].to_pylist()
    marks = {campaign.subject: Mark(campaign_key(master, campaign.subject, plan.epoch)) for campaign in plan.campaigns}
    pairs = Pairs.of([np.array(tokens or [], dtype=np.int64) for tokens in lists])
    return mark_keyrank(pairs, marks, decoy_keys(master, plan.plan_id, plan.n_decoys), settings=settings.canary)


def read_served(path: Path) -> list[Served]:
    """Served exchanges from JSONL: the fields of `Served`, one object a line.

    Raises:
        ProvenanceError: a line lacks a field.
    """
    return _lines(path, Served)


def read_twins(path: Path) -> list[Twin]:
    """Sealed twins from JSONL.

    Raises:
        ProvenanceError: a line lacks a field.
    """
    return _lines(path, Twin)


def _lines(path: Path, kind: type[Line]) -> list[Line]:
    try:
        return [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines() if line]
    except (OSError, msgspec.DecodeError) as error:
        raise ProvenanceError(f"{path} cannot be read as lines of {kind.__name__}: {type(error).__name__}") from error


def check_metric(metric: Metric, registered: Registered | None) -> None:
    """Whether the plan lets the twins be compared by `metric`.

    Raises:
        ProvenanceError: the plan fixed another one.
    """
    planned = metric if registered is None else registered.plan.metrics.get(TWIN_TEST, metric)
    if planned != metric:
        raise ProvenanceError(f"twins are to be compared by {metric}; the registered plan says {planned}")


def twins_from_files(pairs: Sequence[Twin], answers: Path, *, metric: Metric, settings: Settings, seed: int) -> Finding:
    """The sign test of a suspect on twins.

    With metric `overlap` or `continuation` the answers have `prompt_id` (the call id of the
    twin, or the id that `continuation_prompts` gave) and `output`, any number of samples;
    with `logprob` they have `prompt_id`, `served_logprob` and `twin_logprob`.
    """
    if metric != "logprob":
        said: dict[str, list[str]] = {}
        for row in read_answers(answers).to_pylist():
            said.setdefault(row["prompt_id"], []).append(row["output"])
        gaps = overlap_gaps(pairs, said) if metric == "overlap" else continuation_gaps(pairs, said)
    else:
        table = read_table(answers, ("prompt_id", "served_logprob", "twin_logprob"))
        scored = {str(row["prompt_id"]): (row["served_logprob"], row["twin_logprob"]) for row in table.to_pylist()}
        gaps = log_probability_gaps(pairs, scored)
    return twin_sign(pairs, gaps, metric=metric, settings=settings.twin, rng=np.random.default_rng(seed))

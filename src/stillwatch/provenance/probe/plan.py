"""What will be asked of a suspect, and how it will be judged: written down and hashed before the first request."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from stillwatch.errors import ProvenanceError, UsageError
from stillwatch.provenance.answers import read_table
from stillwatch.provenance.ledger import Append
from stillwatch.provenance.verdict import ADMITTED


class ProbePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plan as its author writes it, in TOML.

    `prompts` names a file with `prompt_id`, `prompt` and, where the suspect is to go on with an answer, `prefix`.
    `alpha` and `weights` are by test: the level, and the weight of its e-value where one combined figure is wanted.
    """

    suspect: Annotated[str, Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1)]
    prompts: str
    hypotheses: Annotated[tuple[str, ...], Meta(min_length=1)]
    alpha: Annotated[dict[str, Annotated[float, Meta(gt=0, lt=1)]], Meta(min_length=1)]
    metrics: dict[str, str] = {}
    weights: dict[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    n_samples: Annotated[int, Meta(ge=1, le=16)] = 1
    temperature: Annotated[float, Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Meta(ge=1)] = 1024


class Prompt(msgspec.Struct, frozen=True):
    """One prompt of the plan."""

    prompt_id: str
    text: str
    prefix: str = ""
    """First words of the answer, which the suspect is asked to go on with; empty: it answers from the start."""


class Registered(msgspec.Struct, frozen=True):
    """A plan with the prompts that it names; its digest is what the ledger holds."""

    plan: ProbePlan
    prompts: tuple[Prompt, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the plan and all prompts, in canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


def read_plan(path: Path) -> Registered:
    """The plan in the TOML file at `path`, with its prompts.

    Raises:
        ProvenanceError: the file cannot be read, or a value is missing or out of range.
        UsageError: it names a test that no verdict admits, weights above 1, or a prompt twice.
    """
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ProbePlan)
    except OSError as error:
        raise ProvenanceError(f"the plan {path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ProvenanceError(f"the plan {path} is not valid: {error}") from error
    unknown = sorted({*plan.alpha, *plan.weights, *plan.metrics} - ADMITTED)
    if unknown:
        raise UsageError(f"{path} names {', '.join(unknown)}; admitted are {', '.join(sorted(ADMITTED))}")
    if sum(plan.weights.values()) > 1 + 1e-9:
        raise UsageError(f"the weights in {path} sum to {sum(plan.weights.values()):g}; they must not exceed 1")
    rows = read_table(path.parent / plan.prompts, ("prompt_id", "prompt")).to_pylist()
    prompts = tuple(Prompt(str(row["prompt_id"]), str(row["prompt"]), row.get("prefix") or "") for row in rows)
    if not prompts or len({prompt.prompt_id for prompt in prompts}) < len(prompts):
        raise UsageError(f"{plan.prompts} must hold prompts, each id once")
    return Registered(plan, prompts)


def register(registered: Registered, append: Append) -> str:
    """Write the digest of a plan to the ledger; returns the digest of the entry. No text and no name goes there."""
    return append(
        "provenance_plan",
        {
            "plan_digest": registered.digest,
            "n_prompts": len(registered.prompts),
            "n_samples": registered.plan.n_samples,
            "tests": ",".join(sorted(registered.plan.alpha)),
        },
    )

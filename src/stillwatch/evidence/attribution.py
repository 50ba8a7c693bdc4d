"""Assessments as analysts write them: a TOML file, checked before anything of it is stored.

Nothing here is automatic: no score or signal makes a hypothesis, and no stage of detection reads one.
"""

import hashlib
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from stillwatch.errors import ConfigError, UsageError
from stillwatch.model.attribution import (
    ALTERNATIVES,
    Assessment,
    Confidence,
    Hypothesis,
    HypothesisKind,
    Likelihood,
    Point,
    PointKind,
)

MAX_TEXT: Final = 2_000
"""Characters of a statement or point: an assessment is read by people."""


class _Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: PointKind
    says: str
    ref: str = ""


class _Hypothesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: HypothesisKind
    statement: str
    likelihood: str
    confidence: Confidence
    supporting: tuple[_Point, ...] = ()
    contradicting: tuple[_Point, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    campaign: str
    hypotheses: tuple[_Hypothesis, ...]


def read_assessment(path: Path, *, author: str, at: datetime) -> Assessment:
    """The assessment in a TOML file.

    Raises:
        ConfigError: the file cannot be read, or has another shape.
        UsageError: what it says is incomplete or incoherent, or nobody stands for it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the assessment {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"assessment {path} is not valid: {error}") from error
    return parse_assessment(text, name=str(path), author=author, at=at)


def parse_assessment(text: str, *, name: str, author: str, at: datetime) -> Assessment:
    """The assessment in a TOML text that errors call `name`.

    Raises:
        ConfigError: it has another shape.
        UsageError: what it says is incomplete or incoherent, or nobody stands for it.
    """
    try:
        said = msgspec.convert(tomllib.loads(text), _File)
        hypotheses = tuple(_hypothesis(one) for one in said.hypotheses)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"assessment {name} is not valid: {error}") from error
    if not author.strip():
        raise UsageError("an assessment needs its author: give the name of the person who wrote it with --by NAME")
    _check(hypotheses)
    words = msgspec.json.encode([said, author.strip(), at])
    assessment_id = f"as-{hashlib.blake2b(words, digest_size=8).hexdigest()}"
    return Assessment(assessment_id, said.campaign, hypotheses, author.strip(), at)


def _hypothesis(said: _Hypothesis) -> Hypothesis:
    texts = [said.statement, *(point.says for point in (*said.supporting, *said.contradicting))]
    if any(not text.strip() or len(text) > MAX_TEXT for text in texts):
        raise ValueError(f"statements and points have 1 to {MAX_TEXT} characters")
    sides = (tuple(Point(p.kind, p.ref, p.says) for p in side) for side in (said.supporting, said.contradicting))
    return Hypothesis(said.kind, said.statement, Likelihood.of(said.likelihood), said.confidence, *sides)


def _check(hypotheses: tuple[Hypothesis, ...]) -> None:
    """Every alternative is there with reasons, and the hypotheses, which exclude each other, can hold together.

    Raises:
        UsageError: they do not.
    """
    absent = sorted(kind.value for kind in ALTERNATIVES - {one.kind for one in hypotheses})
    if absent:
        raise UsageError(f"the assessment leaves out the alternatives {', '.join(absent)}: say why each is unlikely")
    bare = sorted({one.kind.value for one in hypotheses if not (one.supporting or one.contradicting)})
    if bare:
        raise UsageError(f"nothing is said for or against {', '.join(bare)}: a hypothesis without a reason is a guess")
    least = sum(one.likelihood.low for one in hypotheses)
    if least > 1:
        raise UsageError(
            f"the hypotheses exclude each other, and their words add up to {least:.0%} or more: weaken some of them"
        )

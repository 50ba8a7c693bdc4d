"""Topics of prompts: what a stream draws from, and what each topic and template asks for."""

import numpy as np
import numpy.typing as npt

from stillwatch.model.capability import CAPABILITIES, Capability
from stillwatch.simulate.keyed import Ints, choose, uniform

N_TOPICS = 256

# Topics by capability; they sum to N_TOPICS. Honest use spreads over all of them, most of it over OTHER.
_TOPIC_COUNTS: dict[Capability, int] = {
    Capability.AGENTIC_REASONING: 24,
    Capability.SOFTWARE_ENGINEERING: 44,
    Capability.LONG_HORIZON_PLANNING: 16,
    Capability.TOOL_USE: 24,
    Capability.DATA_ANALYSIS: 24,
    Capability.REASONING_ELICITATION: 16,
    Capability.RUBRIC_GRADING: 12,
    Capability.OTHER: 96,
}
TOPIC_CAPABILITY: npt.NDArray[np.int16] = np.repeat(
    np.array([capability.code for capability in CAPABILITIES], dtype=np.int16),
    [_TOPIC_COUNTS[capability] for capability in CAPABILITIES],
)
# What the published campaign wanted: agentic reasoning, software engineering, long-horizon planning, and tool use.
TARGETS = (
    Capability.AGENTIC_REASONING,
    Capability.SOFTWARE_ENGINEERING,
    Capability.LONG_HORIZON_PLANNING,
    Capability.TOOL_USE,
)
TARGET_TOPICS: Ints = np.flatnonzero(np.isin(TOPIC_CAPABILITY, [capability.code for capability in TARGETS]))

# Weight of honest use by capability, in the order of CAPABILITIES: coding is the largest single use of an API.
_HONEST_WEIGHTS = np.array([0.09, 0.24, 0.05, 0.10, 0.10, 0.06, 0.04, 0.32])


def honest_topic_weights() -> npt.NDArray[np.float64]:
    """Probability of each topic in all honest use, shape (256,); inside a capability popularity falls as 1/rank."""
    weights = np.zeros(N_TOPICS)
    for code, share in enumerate(_HONEST_WEIGHTS):
        topics = np.flatnonzero(code == TOPIC_CAPABILITY)
        ranks = 1.0 / np.arange(1, len(topics) + 1) ** 0.7
        weights[topics] = share * ranks / ranks.sum()
    return weights


def draw_topics(rng: np.random.Generator, shape: tuple[int, ...], *, targets: float) -> Ints:
    """Topics for streams: honest ones, of which the share `targets` is replaced by uniform target topics."""
    cumulative = np.cumsum(honest_topic_weights())
    topics = np.searchsorted(cumulative, rng.random(shape) * cumulative[-1])
    focused = TARGET_TOPICS[rng.integers(0, len(TARGET_TOPICS), shape)]
    return np.asarray(np.where(rng.random(shape) < targets, focused, topics))


def template_purposes(template: Ints, targets: npt.ArrayLike) -> Ints:
    """Capability code of each template: a target one with probability `targets`, else as honest use has them."""
    honest = np.searchsorted(np.cumsum(_HONEST_WEIGHTS), uniform(template, 0x71) * _HONEST_WEIGHTS.sum())
    target_codes = np.array([capability.code for capability in TARGETS])
    focused = target_codes[choose(len(target_codes), template, 0x72)]
    return np.asarray(np.where(uniform(template, 0x73) < np.asarray(targets), focused, honest))

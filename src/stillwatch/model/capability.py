"""What a prompt asks a model to do, as coarse tags."""

from enum import Enum


class Capability(Enum):
    """Capability tag of a prompt. The value is what tables hold; the order of members gives the integer code."""

    AGENTIC_REASONING = "agentic_reasoning"
    SOFTWARE_ENGINEERING = "software_engineering"
    LONG_HORIZON_PLANNING = "long_horizon_planning"
    TOOL_USE = "tool_use"
    DATA_ANALYSIS = "data_analysis"
    REASONING_ELICITATION = "reasoning_elicitation"
    RUBRIC_GRADING = "rubric_grading"
    OTHER = "other"

    @property
    def code(self) -> int:
        """Position of the tag in this enumeration: 0 to 7, stable across versions."""
        return CAPABILITIES.index(self)


CAPABILITIES: tuple[Capability, ...] = tuple(Capability)

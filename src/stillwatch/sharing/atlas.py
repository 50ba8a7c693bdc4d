"""MITRE ATLAS ids that findings refer to: technique names are matter of fact, descriptions are our own and few.

References:
    MITRE (2026), ATLAS data 5.6.0: technique, mitigation and case study ids. AML.CS0056 is a published case study of
    campaigns of this kind.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Technique:
    """One entry of ATLAS: a technique (AML.T...) or a mitigation (AML.M...)."""

    atlas_id: str
    name: str


CASE_STUDY: Final = "AML.CS0056"

TECHNIQUES: Final = (
    Technique("AML.T0008.005", "AI Service Proxies"),
    Technique("AML.T0021", "Establish Accounts"),
    Technique("AML.T0065", "LLM Prompt Crafting"),
    Technique("AML.T0040", "AI Model Inference API Access"),
    Technique("AML.T0024.002", "Extract AI Model"),
    Technique("AML.T0048.004", "AI Intellectual Property Theft"),
)
"""The chain of a distillation campaign, in the order in which it happens."""

HARMS: Final = (
    Technique("AML.T0048", "External Harms"),
    Technique("AML.T0048.000", "Financial Harm"),
    Technique("AML.T0048.001", "Reputational Harm"),
)
"""Harms that the dossier may name beside the theft; an export names none that nobody measured."""

MITIGATIONS: Final = (
    Technique("AML.M0004", "Restrict Number of AI Model Queries"),
    Technique("AML.M0002", "Passive AI Output Obfuscation"),
    Technique("AML.M0019", "Control Access to AI Models and Data in Production"),
    Technique("AML.M0024", "AI Telemetry Logging"),
)
"""What a defender can do; each lab decides alone whether it does."""

"""The worksheet: what a provider says about prices, costs and plans, each as a range; nothing is guessed for it."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import msgspec

from stillwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Range:
    """An uncertain quantity: its least, most likely and greatest value; all equal where it is known."""

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(
                f"a range is [low, likely, high] in ascending order, got {[self.low, self.likely, self.high]}"
            )

    @classmethod
    def of(cls, said: "float | tuple[float, float, float]") -> "Range":
        """A range from one number, or from low, likely and high."""
        return cls(*said) if isinstance(said, tuple) else cls(said, said, said)

    @property
    def is_known(self) -> bool:
        """Whether there is nothing uncertain about it."""
        return self.low == self.high


Said = float | tuple[float, float, float]
"""How a number stands in the file: `3.0`, or `[2.0, 3.0, 5.0]` for low, likely and high."""


class CapabilityInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said of one capability. Research cost in dollars, shares 0 to 1; scores are of held-out tests."""

    cost_per_useful_exchange_usd: Said | None = None
    """What it costs to make one equal example otherwise: people, or an own model."""
    rnd_cost_usd: Said | None = None
    teacher_score: Said | None = None
    student_before_score: Said | None = None
    student_after_score: Said | None = None
    monthly_profit_usd: Said | None = None
    """Profit a month from the lead in this capability."""


class Worksheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Inputs of all heads. None: not said, and then every head that needs it is listed as not computable."""

    input_price_per_million_usd: Said | None = None
    output_price_per_million_usd: Said | None = None
    paid_usd: Said | None = None
    """What the accounts really paid, after charge-backs and free credit."""
    input_cost_per_million_usd: Said | None = None
    output_cost_per_million_usd: Said | None = None
    enforcement_hours: Said | None = None
    enforcement_rate_usd: Said | None = None
    lead_months: Said | None = None
    """Months of lead that were lost."""
    monthly_discount_rate: Said | None = None
    royalty_premium: Said | None = None
    """What a licence to train on answers costs above the list price, as a share of it."""
    capabilities: dict[str, CapabilityInput] = {}

    @classmethod
    def load(cls, path: Path) -> "Worksheet":
        """The worksheet in a TOML file.

        Raises:
            ConfigError: the file cannot be read, a name in it is unknown, or a range does not ascend.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise ConfigError(f"cannot read the worksheet {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"worksheet {path} is not valid: {error}") from error

    @classmethod
    def parse(cls, text: str, name: str) -> "Worksheet":
        """The worksheet in a TOML text, called `name` where it is wrong.

        Raises:
            ConfigError: a name in it is unknown, or a range does not ascend.
        """
        try:
            sheet = msgspec.convert(tomllib.loads(text), cls, strict=False)
            sheet.ranges()
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
            raise ConfigError(f"worksheet {name} is not valid: {error}") from error
        return sheet

    def ranges(self) -> dict[str, Range]:
        """Every input that was said, by name; those of a capability as `capability.name`."""
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name != "capabilities"}
        for capability, own in self.capabilities.items():
            said |= {f"{capability}.{name}": getattr(own, name) for name in own.__struct_fields__}
        return {name: Range.of(value) for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Quantities:
    """What was taken, by capability, as ranges: the intervals of EXPOSURES."""

    input_tokens: dict[str, Range]
    output_tokens: dict[str, Range]
    useful_exchanges: dict[str, Range]

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Capabilities of which something was taken, ascending."""
        return tuple(sorted(self.output_tokens))

    def ranges(self) -> dict[str, Range]:
        """Every quantity as `capability.name`."""
        return {
            f"{capability}.{name}": values[capability]
            for name, values in (
                ("input_tokens", self.input_tokens),
                ("output_tokens", self.output_tokens),
                ("useful_exchanges", self.useful_exchanges),
            )
            for capability in self.capabilities
        }


def blank_worksheet() -> str:
    """A worksheet to fill in, every input explained and left out."""
    return (files("stillwatch.exposure.damages") / "worksheet.toml").read_text(encoding="utf-8")

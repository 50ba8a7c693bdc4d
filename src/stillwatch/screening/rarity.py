"""How much a word tells: rare words of the lists carry a match, common ones do not."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from stillwatch.screening.names import Name, is_particle, sound

MAX_BITS: Final = 14.0
"""What a word that no list holds tells at most: about one in 16,000."""

PARTICLE_BITS: Final = 0.5

RARE_BITS: Final = 9.0
"""From here on a word is called rare: fewer than one name in 512 has it."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """Bits of information of words, by how many of `n_names` names hold a word of the same sound."""

    n_names: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[Name]) -> "Rarity":
        """The rarity of words in the given names."""
        counts: Counter[str] = Counter()
        n_names = 0
        for name in names:
            n_names += 1
            counts.update({sound(word) for word in name.core})
        return cls(n_names, dict(counts))

    def bits(self, word: str) -> float:
        """Minus the binary logarithm of the share of names with this word, between 0.5 and 14."""
        if is_particle(word):
            return PARTICLE_BITS
        share = (self.counts.get(sound(word), 0) + 0.5) / (self.n_names + 8000)
        return min(MAX_BITS, max(PARTICLE_BITS, -math.log2(share)))

"""Passive attribution: is the suspect closer to a provider than unrelated models with its habits are?

The null is a synthetic control: among clean references, closeness to the provider is predicted from closeness to all
other providers and from length; the score is what is left of the suspect's closeness, and its p-value is its rank
among the references' own leave-one-out remainders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.provenance.passive.design import Design, Suspect
from stillwatch.provenance.passive.pool import Pool
from stillwatch.provenance.settings import PassiveSettings
from stillwatch.stats.conformal import NORMAL_HALF_RANGE, conformal_p
from stillwatch.stats.ridge import leave_one_out

Reals = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Score of each reference and, last, of the suspect, with how far each lies from the others (largest leverage)."""

    values: Reals
    leverage: Reals

    @property
    def p_value(self) -> float:
        """Conformal p of the suspect; never below 1 / (n_references + 1).

        Null hypothesis: the suspect is exchangeable with the references. Assumes that the references are clean and
        that the pool holds models like the suspect.
        """
        return float(conformal_p(self.values[-1:], self.values[:-1])[0])

    @property
    def is_outside(self) -> bool:
        """Whether the suspect lies farther from the references than any of them from the others."""
        return bool(self.leverage[-1] > self.leverage[:-1].max())


class Attribution:
    """The passive test of one suspect against a pool, for any provider of it."""

    def __init__(self, pool: Pool, suspect: Suspect, settings: PassiveSettings, *, year: int | None = None) -> None:
        self.pool = pool
        self.suspect = suspect
        self.settings = settings
        self._year = year
        self.design = Design.of(pool, suspect)
        self.families: Mapping[str, Sequence[int]] = _without(pool.providers, suspect.place)
        self._to: dict[str, Reals] = {name: self.design.to_family(family) for name, family in self.families.items()}

    def references(self, provider: str) -> Places:
        """Clean references: models of the era that are no relatives of the provider, and not the suspect."""
        return np.array(
            [
                place
                for place, model in enumerate(self.pool.models)
                if provider not in model.relatives
                and provider != model.provider
                and place != self.suspect.place
                and self._is_of_era(model.year)
            ],
            dtype=np.int64,
        )

    def descendants(self, provider: str) -> Places:
        """Models of the pool that are known to be made from the provider and are not the suspect."""
        return np.array(
            [
                place
                for place, model in enumerate(self.pool.models)
                if provider in model.descends_from and place != self.suspect.place
            ],
            dtype=np.int64,
        )

    def with_descendants(self) -> "Attribution":
        """The same suspect, where models known to be made from one provider stand for it too.

        Those of the suspect's own organisation do not: what it shares with them says nothing about anyone else.
        """
        own = self.suspect.place
        organisation = "" if own is None else self.pool.models[own].organisation
        return Attribution(self.pool.with_descendants(organisation), self.suspect, self.settings, year=self._year)

    def best_fit(self, providers: Iterable[str]) -> str:
        """Of some providers the one with the smallest p-value, the highest score among equals. A name, and no test."""
        results = {provider: self.scores(provider) for provider in providers}
        return min(results, key=lambda provider: (results[provider].p_value, -results[provider].values[-1]))

    def scores(self, provider: str, references: Places | None = None, row: int | None = None) -> Scores:
        """Scores for a provider; `row` is who is tested in the suspect's place (None: the suspect)."""
        rows = np.append(self.references(provider) if references is None else references, self._row(row))
        others = [closeness for name, closeness in self._to.items() if name != provider]
        return self._residuals(self._to[provider], others, self.families[provider], rows)

    def relabelled(self, family: Sequence[int], references: Places) -> Scores:
        """Scores for a made-up provider: any models; they are left out of the references."""
        kept = np.setdiff1d(references, np.asarray(family))
        others = list(self._to.values())
        return self._residuals(self.design.to_family(family), others, family, np.append(kept, self._row(None)))

    def _row(self, row: int | None) -> int:
        return self.design.suspect if row is None else row

    def _is_of_era(self, year: int) -> bool:
        return self._year is None or not year or abs(year - self._year) <= self.settings.max_year_gap

    def _residuals(self, own: Reals, others: Sequence[Reals], family: Sequence[int], rows: Places) -> Scores:
        length = self.design.lengths.mean(axis=0)[rows]
        gap = self.design.length_gap(family)[rows]
        total, leverage = np.zeros(rows.size), np.zeros(rows.size)
        for channel in range(own.shape[0]):
            columns = [closeness[channel, rows] for closeness in others]
            design = np.column_stack([*columns, length, length**2, gap])
            residual, own_leverage = leave_one_out(own[channel, rows], design, penalty=self.settings.ridge_penalty)
            leverage = np.maximum(leverage, own_leverage)
            low, high = np.quantile(residual, NORMAL_HALF_RANGE)
            total += residual / max((high - low) / 2, np.finfo(np.float32).eps)
        return Scores(total / own.shape[0], leverage)


def _without(families: Mapping[str, Sequence[int]], place: int | None) -> dict[str, list[int]]:
    """The families less the suspect; a family that it leaves with one member is dropped."""
    left = {name: [model for model in family if model != place] for name, family in families.items()}
    return {name: family for name, family in left.items() if len(family) > 1}

"""What honest groups look like: a calibration, kept as JSON and named by the digest of its bytes."""

import hashlib
from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from stillwatch.errors import CalibrationError
from stillwatch.scoring.boosting import Boosting
from stillwatch.stats.conformal import FloatArray, IntArray, RankReference, ScaleCurve

FORMAT: Final = 3
"""Version of the JSON body; a reader refuses later ones. Bodies of version 1 have no boosting, those before 3 nothing
for runs that lack signals."""
ALL_FAMILIES: Final = "all"
"""Curves over every family: used for a family in which too few honest groups had the signal."""
ALL_BANDS: Final = -1
"""Ranks over groups of every volume."""
SCALE_FEATURES: Final = ("log_accounts", "log_volume")
"""What a boosting sees after the signals: log of accounts, and log of exchanges per account."""

Floats = tuple[float, ...]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Centre and spread of a value as functions of a log scale (see `stats.conformal.ScaleCurve`)."""

    log_scales: Floats
    centres: Floats
    spreads: Floats

    def scale_curve(self) -> ScaleCurve:
        """The curve as arrays."""
        return ScaleCurve(np.array(self.log_scales), np.array(self.centres), np.array(self.spreads))


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal is in honest groups of one family: first by exchanges per account, what is left by group size."""

    family: str
    signal: str
    volume: Line
    size: Line

    def standardise(self, values: FloatArray, volumes: FloatArray, sizes: IntArray) -> FloatArray:
        """Values less the honest centre, over the honest spread, at these volumes and sizes."""
        at_volume = self.volume.scale_curve().standardise(values, volumes)
        return self.size.scale_curve().standardise(at_volume, sizes)


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """Reference of one signal's standardised values over the honest groups of one family and volume band.

    Family `all` stands in for a family with too few honest groups in the band, band -1 for a band with too few.
    """

    signal: str
    family: str = ALL_FAMILIES
    band: int
    n: int
    knots: Floats
    n_above: tuple[int, ...]

    def rank_reference(self) -> RankReference:
        """The reference as arrays."""
        return RankReference(np.array(self.knots), np.array(self.n_above, dtype=np.int64), self.n)


class Lookalike(msgspec.Struct, frozen=True, kw_only=True):
    """One class of honest groups: where its standardised signals lie and how high its scores go.

    `centroid` is parallel to the calibration's signals, None where no group of the class had the signal.
    """

    name: str
    n_groups: int
    centroid: tuple[float | None, ...]
    score_q99: float
    largest: int


class TailGroup(msgspec.Struct, frozen=True, array_like=True):
    """One of the highest-scoring honest groups of the threshold windows; `strengths` are -log10 p by signal.

    `weight` is how many such groups a deployment has for each one here (1 in a shipped calibration).
    """

    window_no: int
    class_no: int
    family: str
    n_accounts: int
    volume: float
    weight: float
    log10_tests: float
    strengths: Floats


class Reduced(msgspec.Struct, frozen=True, kw_only=True):
    """How groups are scored in runs that lack some signals, and what honest groups reach there.

    Fitted and ranked without the signals that it `lacks`, which are those of one kind of evidence.
    """

    lacks: tuple[str, ...]
    lookalikes: tuple[Lookalike, ...]
    tail: tuple[TailGroup, ...]
    boosting: Boosting | None = None


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """How many honest groups of one family and size band the threshold windows had."""

    family: str
    band: int
    n_groups: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All that scoring knows about honest groups.

    Curves and ranks come from the reference windows; `tail` and `lookalikes`' scores from the threshold windows, whose
    worlds are disjoint from them. `n_account_windows` counts accounts over the threshold windows, `n_windows` these
    windows; `n_group_people` sums the sizes of all their judged groups. `origin` says in words what was fitted on.
    All scores in it are those of `boosting`, or of the label-free sum with `weights` where that is None; those in
    `reduced` are of runs that lack a kind of evidence.
    """

    format: Literal[1, 2, 3] = FORMAT
    kind: Literal["shipped", "fitted"]
    origin: str
    signals: tuple[str, ...]
    weights: Floats
    n_account_windows: int
    n_windows: int
    n_group_people: int
    n_groups: int
    size_q95: float
    curves: tuple[Curve, ...]
    ranks: tuple[Ranks, ...]
    lookalikes: tuple[Lookalike, ...]
    tail: tuple[TailGroup, ...]
    mix: tuple[Cell, ...]
    boosting: Boosting | None = None
    reduced: tuple[Reduced, ...] = ()

    def without(self, one: Reduced) -> "Calibration":
        """The calibration as a run sees it that lacks the signals of `one`."""
        return msgspec.structs.replace(self, lookalikes=one.lookalikes, tail=one.tail, boosting=one.boosting)

    def seen_by(self, is_measured: NDArray[np.bool_]) -> "Calibration":
        """The calibration as a run sees it that has measured these signals, (n_signals,): the one that lacks most.

        A tail keeps the groups that score highest with every signal. Without those of a kind of evidence other groups
        score highest, and a threshold from the former would be that of nobody.
        """
        missing = {signal for signal, is_there in zip(self.signals, is_measured, strict=True) if not is_there}
        fitting = [one for one in self.reduced if missing.issuperset(one.lacks)]
        return self.without(max(fitting, key=lambda one: len(one.lacks))) if fitting else self

    @property
    def calibration_id(self) -> str:
        """BLAKE2b-128 of the JSON body, hexadecimal: equal contents have equal ids on every machine."""
        return hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()

    def to_json(self) -> str:
        """The body that is stored."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(body: str | bytes) -> "Calibration":
        """The calibration of a stored body.

        Raises:
            CalibrationError: the body is damaged, of another format, or of unequal lengths.
        """
        try:
            found = msgspec.json.decode(body, type=Calibration)
        except msgspec.MsgspecError as error:
            raise CalibrationError(
                f"calibration cannot be read: {error}; fit it again with `stillwatch calibrate`"
            ) from error
        _check_lengths(found)
        return found


@cache
def shipped() -> Calibration:
    """The calibration that comes with the package, fitted on simulated honest worlds with look-alikes."""
    body = resources.files("stillwatch.scoring").joinpath("shipped.json").read_bytes()
    return Calibration.from_json(body)


def _check_lengths(found: Calibration) -> None:
    """Refuse a calibration whose parallel lists do not match."""
    n = len(found.signals)
    sound = (
        {rank.signal for rank in found.ranks if rank.band == ALL_BANDS} == set(found.signals)
        and len(found.weights) == n
        and set(found.signals) <= {curve.signal for curve in found.curves if curve.family == ALL_FAMILIES}
        and all(_judges(seen) for seen in (found, *map(found.without, found.reduced)))
        and all(_is_sound(curve.volume) and _is_sound(curve.size) for curve in found.curves)
        and all(len(rank.knots) == len(rank.n_above) > 0 for rank in found.ranks)
    )
    if not sound:
        raise CalibrationError("calibration is damaged: its lists differ in length; fit it again")


def _judges(seen: Calibration) -> bool:
    """Whether tail and classes have the calibration's signals, and its boosting sees them in their order."""
    n, boosting = len(seen.signals), seen.boosting
    return (
        bool(seen.lookalikes)
        and all(len(group.strengths) == n for group in seen.tail)
        and all(len(lookalike.centroid) == n for lookalike in seen.lookalikes)
        and (boosting is None or (boosting.is_sound() and boosting.features == (*seen.signals, *SCALE_FEATURES)))
    )


def _is_sound(line: Line) -> bool:
    return len(line.log_scales) == len(line.centres) == len(line.spreads) > 0

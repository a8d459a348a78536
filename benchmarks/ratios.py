"""How two sides that took turns are compared: by the ratio of each pair, so that a noisy minute hits both."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """Median, least and greatest of some figures."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.least)} to {short(self.greatest)})"


def short(figure: float) -> str:
    """With three digits, or more where it is large."""
    return f"{figure:.3g}" if abs(figure) < 100 else f"{figure:.0f}"


def spread(figures: Sequence[float]) -> Spread:
    """The spread of at least one figure."""
    return Spread(median(figures), min(figures), max(figures))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of ours / theirs, pair by pair. Raises ValueError where a side lacks a partner."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])


def differences(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of ours - theirs, pair by pair. Raises ValueError where a side lacks a partner."""
    return spread([mine - other for mine, other in zip(ours, theirs, strict=True)])

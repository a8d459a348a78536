"""How two sides that took turns are compared: by the ratio of each pair, so that a noisy minute hits both."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


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


class Pairs(NamedTuple):
    """The figures of two sides, pair by pair."""

    ours: list[float]
    theirs: list[float]


def compared(found: Mapping[str, Pairs], digits: int = 0) -> dict[str, Any]:
    """By name: a ratio, or a difference where the name ends with `_ms`; their spreads, and all figures, ours first."""
    spreads = {name: differences(*pairs) if name.endswith("_ms") else ratios(*pairs) for name, pairs in found.items()}
    figures = {name: [[round(x, digits or None) for x in side] for side in pairs] for name, pairs in found.items()}
    return {
        **{name: round(spread.median, 3) for name, spread in spreads.items()},
        "least_to_greatest": {name: [round(s.least, 3), round(s.greatest, 3)] for name, s in spreads.items()},
        "figures": figures,
    }

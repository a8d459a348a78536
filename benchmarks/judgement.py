"""How good rankings are, and how sure a difference between two of them is."""

from collections.abc import Sequence
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 1


class Interval(NamedTuple):
    """A mean, and the bounds between which it lies in 95 of 100 resamples."""

    mean: float
    low: float
    high: float


class Scores(NamedTuple):
    """Of one way to search, query by query. One section answers each, so a hit is all that there is to recall."""

    recall: NDArray[np.float64]
    ndcg: NDArray[np.float64]


def judge(ranks: Sequence[int | None]) -> Scores:
    """From the place at which each query's answer came first, counted from 1; None where it did not."""
    recall = [0.0 if rank is None else 1.0 for rank in ranks]
    ndcg = [0.0 if rank is None else 1 / log2(1 + rank) for rank in ranks]
    return Scores(np.array(recall), np.array(ndcg))


def mean(values: NDArray[np.float64]) -> Interval:
    """The mean over queries, with its interval by the bootstrap; of differences it is the paired one."""
    chosen = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[chosen].mean(axis=1), [2.5, 97.5])
    return Interval(*(round(float(figure), 3) for figure in (values.mean(), low, high)))

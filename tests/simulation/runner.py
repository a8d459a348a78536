"""Runs many seeds, in this process or several."""

import gc
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from tests.simulation.planted import Bug
from tests.simulation.seed import run_seed
from tests.simulation.watcher import Violation

_COLLECT_EVERY = 20  # seeds; a world is one big cycle


def run_seeds(seeds: Sequence[int], *, jobs: int = 1) -> dict[int, list[Violation]]:
    """The violations of those seeds that have some."""
    if jobs == 1:
        return _run(seeds)
    failed: dict[int, list[Violation]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_run, [seeds[start::jobs] for start in range(jobs)]):
            failed |= part
    return dict(sorted(failed.items()))


def find(bug: Bug, seeds: Iterable[int]) -> int | None:
    """The first seed that finds a planted bug, as the violation that it is."""
    with undisturbed():
        for number, seed in enumerate(seeds):
            if any(violation.kind == bug.kind for violation in run_seed(seed, bug.kit).violations):
                return seed
            _collect(number)
    return None


@contextmanager
def undisturbed() -> Iterator[None]:
    """No logs, and no garbage collection but between seeds."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        logging.disable(logging.NOTSET)


def _run(seeds: Iterable[int]) -> dict[int, list[Violation]]:
    failed = {}
    with undisturbed():
        for number, seed in enumerate(seeds):
            if violations := run_seed(seed).violations:
                failed[seed] = violations
            _collect(number)
    return failed


def _collect(number: int) -> None:
    if number % _COLLECT_EVERY == 0:
        gc.collect()

"""Runs many seeds, in this process or several."""

import gc
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from tests.simulation.planted import PLANTED, Bug
from tests.simulation.seed import run_seed, run_world
from tests.simulation.watcher import Violation
from tests.simulation.world import World

_SEEDS_PER_PART = 250  # of the work of several processes


def run_seeds(seeds: Sequence[int], *, jobs: int = 1) -> Iterator[tuple[int, list[Violation]]]:
    """Those seeds that have violations, soon after they were run."""
    parts = [seeds[start : start + _SEEDS_PER_PART] for start in range(0, len(seeds), _SEEDS_PER_PART)]
    if jobs == 1:
        for part in parts:
            yield from _run(part)
        return
    with _pool(jobs) as pool:
        for found in pool.map(_run, parts):
            yield from found


def find_all(names: Iterable[str], seeds: Sequence[int], *, jobs: int = 1) -> Iterator[tuple[str, int | None]]:
    """By the name of a planted bug, the first seed that finds it."""
    ordered = list(names)
    with _pool(jobs) as pool:
        yield from zip(ordered, pool.map(_find, ordered, [seeds] * len(ordered)), strict=True)


def find(bug: Bug, seeds: Iterable[int]) -> int | None:
    """The first seed that finds a planted bug, as the violation that it is."""
    with undisturbed():
        for seed in seeds:
            world = World(seed, bug.kit)
            if not bug.concerns(world):
                world.loop.bury()
                continue
            if any(violation.kind == bug.kind for violation in run_world(world).violations):
                return seed
            gc.collect()
    return None


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def _find(name: str, seeds: Sequence[int]) -> int | None:
    return find(PLANTED[name], seeds)


@contextmanager
def undisturbed() -> Iterator[None]:
    """No logs, and no garbage collection but between seeds."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.freeze()  # what was there before is looked at in no collection
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()
        gc.collect()
        logging.disable(logging.NOTSET)


def _run(seeds: Iterable[int]) -> list[tuple[int, list[Violation]]]:
    failed = []
    with undisturbed():
        for seed in seeds:
            if violations := run_seed(seed).violations:
                failed.append((seed, violations))
            gc.collect()  # a world is one big cycle, and its memory is warm for the next
    return failed

"""Runs one seed: faults for a while, then calm until nothing is left to do, then the verdict."""

import asyncio
from dataclasses import dataclass
from random import Random

from tests.simulation.checker import judge
from tests.simulation.faults import Faults
from tests.simulation.loop import QuietError
from tests.simulation.parts import Kit
from tests.simulation.trace import Trace
from tests.simulation.watcher import Violation
from tests.simulation.world import World

PATIENCE_S = 300.0  # of virtual time after the last fault
LINGER_S = 2.5  # in which nothing may change any more
_LOOK_S = 1.0
PLAIN = Kit()


@dataclass(frozen=True)
class Run:
    """What one seed came to."""

    violations: list[Violation]
    trace: Trace
    virtual_s: float


def run_seed(seed: int, kit: Kit = PLAIN) -> Run:
    """One world from beginning to end."""
    return run_world(World(seed, kit))


def run_world(world: World) -> Run:
    """The same, of a world that has not begun."""
    faults = Faults(world, Random(f"faults {world.seed}"))
    try:
        world.loop.run_until_complete(_live(world, faults))
    except QuietError:
        world.journal_watchers[0].blame("stuck", "everybody waits for somebody")
    finally:
        world.loop.bury()
    return Run(judge(world), world.trace, world.loop.time())


async def _live(world: World, faults: Faults) -> None:
    world.start()
    await faults.run()
    faults.end()
    give_up_at = world.loop.time() + PATIENCE_S
    while world.loop.time() < give_up_at:
        quiet = world.quiet()
        await asyncio.sleep(LINGER_S if quiet else _LOOK_S)
        if quiet and world.quiet():  # no late call has begun a job meanwhile
            return

"""What befalls a world, as its seed will have it."""

import asyncio
from collections.abc import Callable
from random import Random

from actors.naming import TOPICS
from tests.simulation.network import Weather
from tests.simulation.parts import INGESTION
from tests.simulation.world import World

LONG_OUTAGE_S = (21.0, 28.0)  # longer than a lease
LONG_FREEZE_S = (22.0, 26.0)
LONGEST_FREEZE_S = 30.0
WALL_JUMP_S = 30.0
TWINS_S = 12.0  # for how long a replaced journal may live on


class Faults:
    """The faults of one seed. Each seed has some kinds of them only, so that each kind also comes alone."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        kinds = (self._kill_shared, self._kill_ingestion) if world.poisonous else self._all()
        self._kinds = [kind for kind in kinds if random.random() < 0.4]
        self._number = random.choice((0, 1, 2, 3, 5, 8)) if self._kinds else 0
        self._lasts_s = 1 + random.random() * 9
        world.network.weather = self._weather()

    async def run(self) -> None:
        """From now until the last one is over."""
        times = sorted(self._random.random() * self._lasts_s for _ in range(self._number))
        for time in times:
            await asyncio.sleep(max(0.0, time - self._world.loop.time()))
            self._random.choice(self._kinds)()
        await asyncio.sleep(max(0.0, self._lasts_s - self._world.loop.time()))

    def end(self) -> None:
        """Calm."""
        world = self._world
        world.trace.add(world.loop.time(), "calm")
        world.network.weather = Weather()
        for process in world.directory.alive():
            process.clock.offset = 0.0
            process.thread.slow = 1.0

    def _all(self) -> list[Callable[[], None]]:
        return [
            self._kill_shared,
            self._kill_worker,
            self._kill_ingestion,
            self._long_outage,
            self._twin_journals,
            self._wall_jump,
            self._drain,
            self._freeze,
            self._freeze_before_report,
            self._slow_disk,
            self._kill_everything,
        ]

    def _weather(self) -> Weather:
        def sometimes(most: float) -> float:
            return most * self._random.random() if self._random.random() < 0.5 else 0.0

        return Weather(
            loss=sometimes(0.1),
            echo=sometimes(0.1),
            lull=sometimes(0.05),
            ticket_loss=sometimes(0.5),
            ticket_echo=sometimes(0.5),
        )

    def _shared(self) -> tuple[str, str, str]:
        """A shard's journal, the same again, and its token log."""
        world = self._world
        shard = self._random.randrange(world.shards) if world.shards > 1 else 0
        return world.journals[shard], world.journals[shard], world.token_logs[shard]

    def _kill(self, name: str) -> None:
        self._world.directory.kill(
            self._world.directory.find(name), known=self._random.random() < self._world.deaths_known
        )

    def _kill_shared(self) -> None:
        self._kill(self._random.choice((*self._shared(), TOPICS)))

    def _kill_worker(self) -> None:
        self._kill(self._random.choice(self._world.workers))

    def _kill_ingestion(self) -> None:
        self._kill(INGESTION)

    def _kill_everything(self) -> None:
        for name in self._world.directory.names():
            self._kill(name)

    def _long_outage(self) -> None:
        name = self._random.choice(self._shared())
        self._world.away[name] = self._random.uniform(*LONG_OUTAGE_S)
        self._kill(name)

    def _twin_journals(self) -> None:
        """A new journal while the old one lives; it ends by its epoch, or at last by force."""
        directory, (name, *_) = self._world.directory, self._shared()
        old = directory.find(name)
        directory.start(name)
        self._world.later(self._random.random() * TWINS_S, lambda: directory.kill(old, known=True))

    def _wall_jump(self) -> None:
        process = self._random.choice(self._world.directory.alive() or [self._world.outside])
        process.clock.offset += self._random.uniform(-WALL_JUMP_S, WALL_JUMP_S)

    def _drain(self) -> None:
        process = self._world.directory.find(self._random.choice(self._world.workers))
        self._world.drain(process, drain_s=self._random.choice((0.0, 3.0, 30.0)))

    def _freeze(self) -> None:
        """A process stands still, as if stopped or swapped out, and goes on later."""
        process = self._random.choice(self._world.directory.alive() or [self._world.outside])
        process.frozen = True
        lasts = self._random.uniform(*LONG_FREEZE_S) if self._random.random() < 0.3 else 4 * self._random.random()
        self._world.later(lasts, self._world.loop.thaw, process)

    def _freeze_before_report(self) -> None:
        """A worker stands still until after its claims are given up, and what it reports then is of old."""
        world = self._world
        process = world.directory.find(self._random.choice(world.workers))

        def freeze(method: str) -> None:
            if method == "finish" and process.alive:
                process.before_call = lambda _: None
                process.frozen = True
                world.later(LONGEST_FREEZE_S, world.loop.thaw, process)

        def thaw(worker: str) -> None:
            if worker == process.name and process.frozen:
                world.later(self._random.random() ** 2, world.loop.thaw, process)

        process.before_call = freeze
        for watcher in world.journal_watchers:
            watcher.on_orphan = thaw

    def _slow_disk(self) -> None:
        process = self._world.directory.find(self._random.choice(self._shared()[1:]))
        process.thread.slow = 100.0
        self._world.later(4 * self._random.random(), lambda: setattr(process.thread, "slow", 1.0))

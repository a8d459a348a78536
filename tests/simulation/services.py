"""Services by name: which process answers under a name now, and how the next one is made."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Process
from tests.simulation.trace import Trace

Make = Callable[[Process], Awaitable[Any]]


class Directory:
    """All services of a world. Each life of one has a random generator of its own."""

    def __init__(self, loop: VirtualLoop, seed: str, trace: Trace) -> None:
        self._loop = loop
        self._seed = seed
        self._trace = trace
        self._makes: dict[str, Make] = {}
        self._lives: dict[str, list[Process]] = {}
        self.on_end: Callable[[str, Process], None] = lambda _name, _process: None

    def add(self, name: str, make: Make) -> None:
        """A service that can be started; `make` gives what answers its calls."""
        self._makes[name] = make
        self._lives[name] = []

    def names(self) -> list[str]:
        return list(self._makes)

    def start(self, name: str) -> Process:
        """A new life. An earlier one that is still alive stays so, under no name."""
        lives = self._lives[name]
        number = len(lives) + 1
        process = Process(f"{name}#{number}", self._loop, Random(f"{self._seed} {name} {number}"))
        lives.append(process)
        process.on_death[lambda: self.on_end(name, process)] = None
        self._trace.add(self._loop.time(), "start", process)

        async def boot() -> None:
            try:
                process.served = await self._makes[name](process)
            except Exception:  # noqa: BLE001 - Serve, too, tries again with a new process
                self.kill(process, known=True)

        process.start(boot)
        return process

    def find(self, name: str) -> Process:
        """The newest process of this name. Raises ValueError, as Ray does, where there never was one."""
        lives = self._lives.get(name)
        if not lives:
            raise ValueError(f"no actor named {name}")
        return lives[-1]

    def lives(self, name: str) -> list[Process]:
        """All that ever were."""
        return self._lives[name]

    def alive(self) -> list[Process]:
        """All that are."""
        return [process for lives in self._lives.values() for process in lives if process.alive]

    def kill(self, process: Process, *, known: bool) -> None:
        """End a process. `known`: whether others can learn that it is dead, rather than silent."""
        if process.alive:
            self._trace.add(self._loop.time(), "kill", process)
            process.death_known = known
            process.die()

"""What a job costs a journal that has a million, beside one that has a thousand, both on SQLite in one process.

Both are filled with jobs that are done and sealed, and then take turns: some jobs more are submitted, rendered,
inferred and sealed.
"""

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from actors.journal.journal import Journal
from actors.shards import open_journal
from actors.system import real_ports
from benchmarks.ratios import Pairs, compared
from benchmarks.shard_stages import ROOM, pass_through

FEW, MANY = 1_000, 1_000_000
FILL = 10_000  # jobs at a time
TURN = 2_000  # jobs
ROUNDS = 10  # of which the first warms up


class House:
    """A journal with so many jobs. `close` it."""

    def __init__(self, folder: Path) -> None:
        self._ports = real_ports()
        self._journal: Journal = open_journal(folder, ports=self._ports)

    async def work(self, jobs: int) -> tuple[float, float]:
        """Take so many jobs from their submission to their end. Seconds of wall and CPU time of each."""
        stages = await pass_through(self._journal, self._ports, shard=0, slots=ROOM, jobs=jobs)
        wall, cpu = zip(*stages.values(), strict=True)
        return sum(wall), sum(cpu)

    async def fill(self, jobs: int) -> None:
        """So many, and what has been written is settled."""
        begun = monotonic()
        for done in range(0, jobs, FILL):
            await self.work(min(FILL, jobs - done))
            if done and done % (10 * FILL) == 0:
                print(f"  {done:9} jobs, {done / (monotonic() - begun):.0f} per second", flush=True)

    async def close(self) -> None:
        """Let go of the store."""
        await self._ports.run_blocking(self._journal.close)


async def measure(few: House, many: House) -> dict[str, Pairs]:
    """What a job costs the second and the first, in microseconds, of processor time and from begin to end."""
    cpu, wall = Pairs([], []), Pairs([], [])
    for number in range(ROUNDS):
        sides = [(many, cpu.ours, wall.ours), (few, cpu.theirs, wall.theirs)]
        for house, cpus, walls in sides if number % 2 else reversed(sides):
            took, used = await house.work(TURN)
            walls.append(took * 1e6)
            cpus.append(used * 1e6)
        print(f"round {number}  {cpu.ours[-1]:.0f} and {cpu.theirs[-1]:.0f} us", flush=True)
    return {"cost_ratio": Pairs(cpu.ours[1:], cpu.theirs[1:]), "time_ratio": Pairs(wall.ours[1:], wall.theirs[1:])}


async def run(folders: tuple[Path, Path]) -> dict[str, Pairs]:
    """Fill both, and measure."""
    few, many = House(folders[0]), House(folders[1])
    await few.fill(FEW)
    await many.fill(MANY)
    found = await measure(few, many)
    await few.close()
    await many.close()
    return found


def main() -> None:
    """Print how it goes, then the result."""
    with ExitStack() as stack:
        few, many = (Path(stack.enter_context(TemporaryDirectory(prefix="heliograph-bench-"))) for _ in range(2))
        print(json.dumps(compared(asyncio.run(run((few, many))))))


if __name__ == "__main__":
    main()

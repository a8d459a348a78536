"""What a job costs a journal that has a million, beside one that has a thousand, both on SQLite in one process.

Both have jobs that are done and sealed, and take turns: some jobs more are submitted, rendered, inferred and sealed.
The million are ten thousand that went this way, and copies of all their rows under other ids.
"""

import asyncio
import json
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from actors.journal.journal import Journal
from actors.shards import journal_file, open_journal
from actors.system import real_ports
from benchmarks.ratios import Pairs, compared
from benchmarks.shard_stages import ROOM, pass_through

FEW, DONE = 1_000, 10_000
TIMES = 100  # so many the second has, with the copies
COPIED = {"jobs": "id", "events": "job_id", "blobs": "hash"}  # tables, and what names another job there
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

    async def close(self) -> None:
        """Let go of the store."""
        await self._ports.run_blocking(self._journal.close)


async def filled(folder: Path, jobs: int, times: int = 1) -> House:
    """A journal with so many jobs, so many times."""
    house = House(folder)
    await house.work(jobs)
    await house.close()
    with closing(sqlite3.connect(journal_file(folder))) as connection:
        multiply(connection, times)
        (found,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
    print(f"{found} jobs", flush=True)
    return House(folder)


def multiply(connection: sqlite3.Connection, times: int) -> None:
    """All rows so many times. A copy names a job that began in the same millisecond, with a `u`, which no id has."""
    for table, name in COPIED.items():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "position"]
        names = ", ".join(columns)
        connection.execute(f"CREATE TEMP TABLE originals AS SELECT {names} FROM {table}")  # noqa: S608 - our own names
        for number in range(1, times):
            other = f"substr({name}, 1, length({name}) - 3) || 'u{number:02}'"
            values = ", ".join(other if column == name else column for column in columns)
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM originals")  # noqa: S608
        connection.execute("DROP TABLE originals")
        connection.commit()


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
    few, many = await filled(folders[0], FEW), await filled(folders[1], DONE, TIMES)
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

"""A process that indexes is killed in the middle, again and again: in the end the index is whole, and nothing twice."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from actors.index import Index
from tests.encoders import vector_of
from tests.indexing_house import House

FILES = 200
KILLED_AFTER = [1, 60, 25, 90]  # files that were reported


def index(folder: Path, names: Iterable[str], *, kill_after: int | None) -> list[str]:
    """What the program says until it ends, or until it is killed."""
    command = [sys.executable, "-m", "tests.fault.indexing_program", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("\n".join(names))
        program.stdin.close()
        said = []
        for line in program.stdout:
            said.append(line.strip())
            if len(said) == kill_after:
                program.kill()
        assert program.wait() == (0 if kill_after is None else -9)
    return said


async def content_of(index: Index) -> list[tuple[str, str]]:
    """The ids and texts of all chunks."""
    hits = await index.nearest("a", "vs_1", vector_of("file"), limit=10_000)
    return sorted((hit.chunk.id, hit.chunk.text) for hit in hits)


@pytest.fixture
async def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    await house.put({name: text.encode() for name, text in texts().items()})
    return house


def texts() -> dict[str, str]:
    return {f"{number}.txt": f"file {number} speaks of subject{number}" for number in range(FILES)}


def expected() -> list[tuple[str, str]]:
    return sorted((f"att_{name}.0000000", text) for name, text in texts().items())


@pytest.mark.parametrize("only_the_rest", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_the_index_is_whole_and_nothing_is_twice(house: House, tmp_path: Path, *, only_the_rest: bool) -> None:
    left, done = list(texts()), set[str]()
    for kill_after in [*KILLED_AFTER, None]:
        said = index(tmp_path, left, kill_after=min(kill_after, len(left)) if kill_after else None)
        done |= {line.split()[0].removeprefix("att_") for line in said}
        assert await content_of(house.index()) == sorted(set(await content_of(house.index())))
        assert {name for name, _ in await content_of(house.index())} >= {f"att_{name}.0000000" for name in done}
        if only_the_rest:
            left = [name for name in left if name not in done]
    assert done == set(texts())
    assert await content_of(house.index()) == expected()
    for number in range(0, FILES, 20):
        (hit,) = await house.index().matching("a", "vs_1", f"subject{number}", limit=5)
        assert hit.chunk.attachment == f"att_{number}.txt"

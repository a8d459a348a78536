"""Files of every kind are put into the index, on threads; each that cannot be fails alone."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from actors.stores import StoreUnavailableError
from deployments.knowledge.indexing import IndexingTools
from pipelines.data import indexing
from pipelines.data.indexing import Task, index_here, open_file
from pipelines.data.tally import FileDone, Progress, Tally
from tests.encoders import DIMENSIONS, words
from tests.indexing_house import FAULTS, FILES, House, tasks


class Reports:
    """What was reported, call by call."""

    def __init__(self) -> None:
        self.calls: list[list[FileDone]] = []

    async def __call__(self, done: list[FileDone]) -> None:
        self.calls.append(done)

    @property
    def by_name(self) -> dict[str, FileDone]:
        done = [each for call in self.calls for each in call]
        assert len(done) == len({each.attachment for each in done})
        return {each.attachment.removeprefix("att_"): each for each in done}


@pytest.fixture
async def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    await house.put(FILES)
    return house


async def test_every_file_is_indexed_or_fails_alone(house: House) -> None:
    reports = Reports()
    await index_here(tasks([*FILES, "gone.txt"]), house(), reports)
    done = reports.by_name
    assert set(done) == {*FILES, "gone.txt"}
    assert {name: each.code for name, each in done.items() if each.code} == FAULTS
    for name, each in done.items():
        texts = await house.texts(name)
        assert each.chunks == len(texts)
        assert bool(texts) is not bool(each.code)
        assert bool(each.message) is bool(each.code)
    assert await house.texts("herons.md") == ["# Herons\n\nA heron stands in the reeds.\n"]


async def test_chunks_are_slices_of_so_many_tokens_and_what_they_take_is_counted(house: House) -> None:
    reports = Reports()
    await index_here(tasks(["tides.txt"]), house(), reports)
    chunks = await house.chunks("tides.txt")
    text = FILES["tides.txt"].decode()
    assert [chunk.text for chunk in chunks] == [text[chunk.start : chunk.end] for chunk in chunks]
    assert [chunk.ordinal for chunk in chunks] == list(range(120))
    assert {len(words(chunk.text)) for chunk in chunks[:-1]} == {20}
    usage = sum(len(chunk.text) for chunk in chunks) + 120 * DIMENSIONS * 4
    tokens = sum(len(words(chunk.text)) for chunk in chunks)
    assert reports.by_name["tides.txt"] == FileDone("att_tides.txt", 120, usage, tokens)


async def test_indexing_again_changes_nothing(house: House) -> None:
    for _ in range(2):
        await index_here(tasks(["tides.txt", "moon.pdf"]), house(), Reports())
    assert len(await house.chunks("tides.txt")) == 120
    assert len(await house.chunks("moon.pdf")) == 1


async def test_small_files_are_embedded_and_written_together(house: House) -> None:
    names = [f"{number}.txt" for number in range(200)]
    await house.put({name: f"small file {name}".encode() for name in names})
    tools, reports = Counting(house()), Reports()
    await index_here(tasks(names), tools, reports)
    assert len(reports.by_name) == 200
    assert len(tools.embedded) < 150
    assert max(tools.embedded) > 1


async def test_a_long_file_goes_through_in_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BATCH", 16)
    tools = Counting(house())
    await index_here(tasks(["tides.txt"]), tools, Reports())
    assert sum(tools.embedded) == 120
    assert max(tools.embedded) <= 32
    assert len(await house.chunks("tides.txt")) == 120


async def test_a_file_that_fails_late_leaves_nothing_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "BATCH", 16)
    await house.put({"late.txt": FILES["tides.txt"] + b" and then poison"})
    reports = Reports()
    await index_here(tasks(["late.txt", "tides.txt"]), house(), reports)
    assert reports.by_name["late.txt"].code == "server_error"
    assert await house.texts("late.txt") == []
    assert len(await house.texts("tides.txt")) == 120


async def test_stores_may_be_mixed(house: House) -> None:
    tools = Counting(house())
    await index_here([*tasks(["herons.md", "moon.pdf"]), *tasks(["bread.html"], store="vs_2")], tools, Reports())
    assert sorted(tools.tidied) == [("a", "vs_1"), ("a", "vs_2")]
    assert len(await house.texts("herons.md")) == 1
    assert len(await house.texts("bread.html", store="vs_2")) == 1


@pytest.mark.parametrize("stage", ["read", "embed", "upsert"])
async def test_a_passing_fault_ends_the_run_and_the_rest_can_be_done_later(house: House, stage: str) -> None:
    reports = Reports()
    names = ["herons.md", "tides.txt", "moon.pdf"]
    with pytest.raises(StoreUnavailableError):
        await index_here(tasks(names), Failing(house(), stage), reports)
    left = [name for name in names if name not in reports.by_name]
    assert left
    await index_here(tasks(left), house(), reports)
    assert set(reports.by_name) == set(names)
    assert [len(await house.texts(name)) for name in names] == [1, 120, 1]


async def test_what_a_converter_does_not_expect_is_no_fault_of_the_file(house: House) -> None:
    class Broken(Counting):
        def convert(self, content: bytes, filename: str) -> str:
            raise ZeroDivisionError(content, filename)

    (task,) = tasks(["herons.md"])
    (row,) = (await open_file(task, Broken(house()))).to_pylist()
    assert (row["code"], row["of"]) == ("server_error", 1)


async def test_a_file_larger_than_the_limit_is_not_read_to_its_end(house: House) -> None:
    await house.put({"large.txt": b"x" * 200})
    tools = house()
    tools._converter._limits = tools._converter._limits._replace(content_bytes=100)
    (task,) = tasks(["large.txt"])
    (row,) = (await open_file(task, tools)).to_pylist()
    assert row["code"] == "invalid_file"


def test_a_file_is_done_with_its_last_part_and_failed_with_any() -> None:
    tally = Tally()
    assert tally.add([Progress("a", 2, 3, 20, 7), Progress("b", 1, 2)]) == []
    assert tally.add([Progress("b", 1, 2, code="server_error", message="no"), Progress("a", 1, 3, 10, 3)]) == [
        FileDone("b", 0, 0, 0, "server_error", "no"),
        FileDone("a", 3, 30, 10),
    ]


class Counting:
    """Tools that note how many texts were embedded together."""

    def __init__(self, tools: IndexingTools) -> None:
        self._tools = tools
        self.embedded: list[int] = []
        self.tidied: list[tuple[str, str]] = []

    async def read(self, task: Task) -> bytes:
        return await self._tools.read(task)

    def convert(self, content: bytes, filename: str) -> str:
        return self._tools.convert(content, filename)

    def tokenize(self, text: str) -> Sequence[tuple[int, int]]:
        return self._tools.tokenize(text)

    async def embed(self, texts: Sequence[str]) -> indexing.Embedded:
        self.embedded.append(len(texts))
        return await self._tools.embed(texts)

    async def upsert(self, tenant: str, store: str, chunks: pa.Table) -> None:
        await self._tools.upsert(tenant, store, chunks)

    async def remove(self, tenant: str, store: str, attachments: Sequence[str]) -> None:
        await self._tools.remove(tenant, store, attachments)

    async def tidy(self, tenant: str, store: str) -> None:
        self.tidied.append((tenant, store))
        await self._tools.tidy(tenant, store)


class Failing(Counting):
    """Tools of which one stage fails from its second call on."""

    def __init__(self, tools: IndexingTools, stage: str) -> None:
        super().__init__(tools)
        self._stage = stage
        self._calls = 0

    def _fail(self, stage: str) -> None:
        self._calls += stage == self._stage
        if stage == self._stage and self._calls > 1:
            raise StoreUnavailableError("out of order")

    async def read(self, task: Task) -> bytes:
        self._fail("read")
        return await super().read(task)

    async def embed(self, texts: Sequence[str]) -> indexing.Embedded:
        self._fail("embed")
        return await super().embed(texts)

    async def upsert(self, tenant: str, store: str, chunks: pa.Table) -> None:
        self._fail("upsert")
        await super().upsert(tenant, store, chunks)

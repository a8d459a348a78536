"""What a search is told of a store's files, and how much of it is asked of the journal."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.vector_queries import LiveFiles as Answer
from actors.journal.vector_queries import LiveQueries
from deployments.knowledge import live_files
from deployments.knowledge.live_files import TOUCH_S, LiveFiles
from pipelines.commands import Answer as Reply
from pipelines.edits import Edit
from pipelines.errors import RejectError
from pipelines.vector_edits import DAY_S, CreateVectorStore, DetachFile, TouchVectorStore, UpdateAttributes
from tests.factories import ManualClock, make_ports
from tests.vector_stores import STORE, attach, index, make_store, put_files


class Told(Journal):
    """Keeps what was asked and answered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answers: list[list[Answer | None]] = []
        self.edits: list[Edit] = []

    async def ask(self, question: Any) -> Any:
        answer = await super().ask(question)
        if isinstance(question, LiveQueries):
            self.answers.append(answer)
        return answer

    async def edit(self, batch: Sequence[Edit]) -> list[Reply]:
        self.edits.extend(batch)
        return await super().edit(batch)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def journal(clock: ManualClock) -> Told:
    return Told(MemoryStore(Disk(uuid="one")), ports=make_ports(clock))


@pytest.fixture
def live(journal: Told, clock: ManualClock) -> LiveFiles:
    return LiveFiles(journal, make_ports(clock))


async def found(live: LiveFiles, store: str = "vs_1") -> list[str]:
    (files,) = await live.of("default", [store])
    return sorted(file.filename for file in files.values())


async def test_only_what_has_changed_is_told_again(journal: Told, live: LiveFiles) -> None:
    await make_store(journal, 1, 2, 3)
    await index(journal)
    assert await found(live) == ["1.txt", "2.txt", "3.txt"]
    await put_files(journal, 4)
    await journal.edit([attach(4), UpdateAttributes(**STORE, file="file-1", attributes='{"a": true}')])
    assert await found(live) == ["1.txt", "2.txt", "3.txt"]
    await index(journal)
    assert await found(live) == ["1.txt", "2.txt", "3.txt", "4.txt"]
    assert await found(live) == ["1.txt", "2.txt", "3.txt", "4.txt"]
    assert [len(answer.files) for (answer,) in journal.answers if answer] == [3, 1, 1, 0]
    (files,) = await live.of("default", ["vs_1"])
    assert [file.attributes for file in files.values() if file.file == "file-1"] == [{"a": True}]


async def test_what_was_detached_is_found_no_more(journal: Told, live: LiveFiles) -> None:
    await make_store(journal, 1, 2)
    await index(journal)
    await found(live)
    await journal.edit([DetachFile(**STORE, file="file-1")])
    assert await found(live) == ["2.txt"]


async def test_searches_that_wait_share_a_question(journal: Told, live: LiveFiles) -> None:
    await make_store(journal, 1)
    await journal.edit([CreateVectorStore(store="vs_2", tenant="default")])
    await index(journal)
    both = live.of("default", ["vs_1", "vs_2"])
    answers = await asyncio.gather(both, *(live.of("default", ["vs_1"]) for _ in range(10)))
    assert [list(map(len, answer)) for answer in answers] == [[1, 0], *[[1]] * 10]
    assert len(journal.answers) <= 2


async def test_an_unknown_or_expired_store_is_refused_alone(journal: Told, live: LiveFiles, clock: ManualClock) -> None:
    await make_store(journal, 1, expires_after_days=1)
    await journal.edit([CreateVectorStore(store="vs_2", tenant="default")])
    good, bad = await asyncio.gather(live.of("default", ["vs_2"]), live.of("default", ["vs_9"]), return_exceptions=True)
    assert good == [{}]
    assert isinstance(bad, RejectError)
    assert bad.code == "vector_store_not_found"
    with pytest.raises(RejectError, match="not found"):
        await live.of("another", ["vs_1"])
    clock.time += DAY_S
    with pytest.raises(RejectError, match="has expired"):
        await found(live)


async def test_a_store_that_is_searched_is_touched_once_an_hour(
    journal: Told, live: LiveFiles, clock: ManualClock
) -> None:
    await make_store(journal)
    journal.edits.clear()
    await found(live)
    clock.time += TOUCH_S + 1
    await found(live)
    await found(live)
    assert journal.edits == [TouchVectorStore(**STORE)]


async def test_the_files_of_stores_that_were_searched_long_ago_are_forgotten(
    journal: Told, live: LiveFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_files, "FILES", 1)
    await make_store(journal, 1)
    other: dict[str, Any] = {"store": "vs_2", "tenant": "default"}
    await put_files(journal, 2)
    await journal.edit([CreateVectorStore(**other), attach(2, **other)])
    await index(journal)
    for store in ("vs_1", "vs_2", "vs_2", "vs_1"):
        assert len(await found(live, store)) == 1
    assert [len(answer.files) for (answer,) in journal.answers if answer] == [1, 1, 0, 1]

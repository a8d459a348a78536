"""What a journal does when it has no room, on every store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.sqlite import SqliteStore
from actors.journal.store import Store
from actors.stores import StoreUnavailableError
from pipelines.commands import Cancel, Key, Verdict
from tests.factories import ManualClock, claim, finish, job_id, make_ports, payload, rendered, submit


@pytest.fixture
def full(open_store: Callable[[], Store], clock: ManualClock) -> Journal:
    """A journal with room for 1 000 open jobs."""
    return Journal(open_store(), ports=make_ports(clock), limits=Limits(backlog=1000))


async def test_of_5000_submits_as_many_are_accepted_as_there_is_room_for(full: Journal) -> None:
    answers = [answer for n in range(0, 5000, 500) for answer in await full.submit([submit(n + i) for i in range(500)])]
    verdicts = [answer.verdict for answer in answers]
    assert verdicts == [Verdict.DONE] * 1000 + [Verdict.FULL] * 4000
    assert await full.jobs("default", [job_id(1000)]) == [None]


async def test_claimed_and_waiting_jobs_take_room_and_ended_ones_give_it_back(full: Journal) -> None:
    await full.submit([submit(n) for n in range(1000)])
    claims = await full.claim(claim(slots=10))
    assert (await full.submit([submit(2000)]))[0].verdict is Verdict.FULL
    await full.finish([finish(item, rendered()) for item in claims])
    assert (await full.submit([submit(2000)]))[0].verdict is Verdict.FULL
    await full.cancel([Cancel(job_id=job_id(5), tenant="default")])
    answers = await full.submit([submit(2000), submit(2001)])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.FULL]


async def test_a_repeat_of_what_was_accepted_is_answered_also_without_room(full: Journal) -> None:
    key = Key("/async-generate", "word", "f")
    await full.submit([submit(0, key=key), *[submit(n) for n in range(1, 1000)]])
    answers = await full.submit([submit(0, key=key), submit(2000, key=key), submit(7)])
    assert {answer.verdict for answer in answers} == {Verdict.DONE}
    assert answers[1].job_id == job_id(0)


async def test_a_full_disk_refuses_and_what_was_accepted_goes_on_when_there_is_space(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqliteStore(tmp_path / "journal-0.sqlite", new_uuid="store-1")
    journal = Journal(store, ports=make_ports(clock))
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    _pragma(store, f"max_page_count = {_pragma(store, 'page_count') + 4}")
    with pytest.raises(StoreUnavailableError, match="full"):
        for number in range(1, 100):
            await journal.submit([submit(number, request=payload(b"x" * 8000 + str(number).encode()))])
    _pragma(store, "max_page_count = 1000000")
    (answer,) = await journal.finish([finish(claimed, rendered())])
    assert answer.verdict is Verdict.DONE
    assert (await journal.submit([submit(1000)]))[0].verdict is Verdict.DONE
    store.close()


def _pragma(store: Any, pragma: str) -> int:
    row: tuple[int] = store._database._file.connection.execute(f"PRAGMA {pragma}").fetchone()
    return row[0]

"""The session of an ingestion process with the journal."""

import asyncio
from dataclasses import replace

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Session
from deployments.ingestion import session
from deployments.ingestion.session import OwnSession
from tests.factories import make_ports


class Witness(Journal):
    """Notes what it hears of sessions; says nothing where it is `away`."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__(MemoryStore(Disk(uuid="one")), ports=make_ports())
        self.heard: list[str] = []
        self.away = away
        self.beaten = asyncio.Event()

    async def session(self, session: Session) -> None:
        self.heard.append(f"{session.handle} lives")
        if len(self.heard) == 3:
            self.beaten.set()

    async def end_session(self, session_id: str) -> None:
        if self.away:
            await asyncio.Event().wait()
        self.heard.append(f"{session_id} ended")


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def own(journal: Witness) -> OwnSession:
    return OwnSession(journal, ports=replace(make_ports(), sleep=no_sleep), handle="home")


async def test_it_is_told_of_from_its_first_use_to_its_end() -> None:
    journal = Witness()
    mine = own(journal)
    await asyncio.sleep(0.01)
    assert journal.heard == []
    assert mine.begin() == mine.begin() == mine.id
    async with asyncio.timeout(5):
        await journal.beaten.wait()
    await mine.close()
    assert journal.heard[:3] == ["home lives"] * 3
    assert journal.heard[-1] == f"{mine.id} ended"
    await mine.close()
    assert journal.heard.count(f"{mine.id} ended") == 1


async def test_an_unused_session_says_no_farewell() -> None:
    journal = Witness()
    await own(journal).close()
    assert journal.heard == []


async def test_a_journal_that_is_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FAREWELL_S", 0.01)
    mine = own(Witness(away=True))
    mine.begin()
    async with asyncio.timeout(5):
        await mine.close()

"""Watches the ingestion sessions: notices whose process has died, and cancels what was attached to those that are over.

In chunks, so that submits go between. Whatever is cut short is begun again: a session is forgotten only when nothing is
attached to it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from actors.journal.journal import Journal
from actors.journal.protocol import Death
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
LOOK_S = 0.5
JOBS_PER_CHUNK = 500


class Attendance:
    """Of one journal. `death_of` knows of a session's handle."""

    def __init__(self, journal: Journal, death_of: Callable[[Any], Awaitable[Death | None]], ports: Ports) -> None:
        self._journal = journal
        self._death_of = death_of
        self._ports = ports

    async def watch(self) -> None:
        """Ask after those that have a handle."""
        await self._ports.sleep(LOOK_S)
        asked = [session for session in self._journal.sessions.living() if session.handle is not None]
        deaths = await asyncio.gather(*(self._death_of(session.handle) for session in asked))
        for session, death in zip(asked, deaths, strict=True):
            if death is not None:
                log.warning("ingestion session died (%s)", death, extra={"session": session.id})
                await self._journal.end_session(session.id)

    async def dismiss(self) -> None:
        """Cancel what waits for nobody."""
        await self._ports.sleep(LOOK_S)
        for session_id in self._journal.sessions.over():
            while await self._journal.abandon(session_id, JOBS_PER_CHUNK):
                await self._ports.sleep(0)
            self._journal.sessions.forget(session_id)

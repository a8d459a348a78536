"""Who reads along: the sessions of reader processes, what each follows, and the long poll that wakes them.

A session follows many keys, each with a cursor; `mark` says that a key has something new. Only the names of
changed keys are kept, never the news, so memory depends on the number of readers, not on how slow they are.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.ports import Clock

SESSION_TTL_S = 60.0  # a session that has not polled for so long is forgotten


@dataclass(slots=True)
class _Session:
    seen_at: float
    cursors: dict[str, int] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)  # an ordered set
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Followers:
    """All sessions of one log."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        self._by_key: dict[str, dict[str, None]] = {}  # in order, so that a run can be repeated

    def update(self, session_id: str, add: dict[str, int], remove: Sequence[str]) -> None:
        """Follow and unfollow. A key that is new counts as changed, so that its past is read first."""
        session = self._sessions.setdefault(session_id, _Session(self._clock.monotonic()))
        session.seen_at = self._clock.monotonic()
        for key in remove:
            self.drop(session_id, key)
        for key, cursor in add.items():
            session.cursors[key] = cursor
            self._by_key.setdefault(key, {})[session_id] = None
            session.changed[key] = None
        if session.changed:
            session.news.set()
        self._forget_silent()

    def mark(self, keys: Iterable[str]) -> None:
        """These keys have something new."""
        for key in keys:
            for session_id in self._by_key.get(key, ()):
                session = self._sessions[session_id]
                session.changed[key] = None
                session.news.set()

    async def wait(self, session_id: str, wait_s: float) -> dict[str, int]:
        """The changed keys of a session with their cursors, oldest change first; empty after `wait_s` seconds."""
        session = self._sessions[session_id]
        try:
            async with asyncio.timeout(wait_s):
                while not session.changed:  # another call of this session may have answered what woke us
                    session.news.clear()
                    await session.news.wait()
        except TimeoutError:
            return {}
        finally:
            session.seen_at = self._clock.monotonic()
        keys, session.changed = session.changed, {}
        return {key: session.cursors[key] for key in keys}

    def advance(self, session_id: str, key: str, cursor: int, *, more: bool = False) -> None:
        """The session has read `key` up to `cursor`; `more` asks for it again at the next poll."""
        session = self._sessions.get(session_id)
        if session is None or key not in session.cursors:
            return
        session.cursors[key] = cursor
        if more:
            session.changed[key] = None
            session.news.set()

    def drop(self, session_id: str, key: str) -> None:
        """The session no longer follows `key`."""
        session = self._sessions.get(session_id)
        if session is not None and session.cursors.pop(key, None) is not None:
            session.changed.pop(key, None)
            readers = self._by_key[key]
            readers.pop(session_id, None)
            if not readers:
                del self._by_key[key]

    def _forget_silent(self) -> None:
        limit = self._clock.monotonic() - SESSION_TTL_S
        for session_id in [name for name, session in self._sessions.items() if session.seen_at < limit]:
            for key in list(self._sessions[session_id].cursors):
                self.drop(session_id, key)
            del self._sessions[session_id]

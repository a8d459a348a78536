"""The token log: what readers of a generation see. A plain class; `actors/shells.py` makes it a Ray actor.

Invariants:
- Written before shown: readers are woken after the commit and read committed rows only, never past a seal's end.
- An answer is given only after its commit is on disk. Batches are what was waiting while the last commit ran.
- Of a reader nothing is kept in memory but its cursors: who is slow is answered in pages. Of an open log the last row
  is, as committed: no other process writes. At most KNOWN_HEADS are kept; a transaction that fails forgets them all.
"""

from collections.abc import Sequence
from functools import partial
from typing import cast

from actors.coalescer import Coalescer
from actors.crash_points import crash_point
from actors.followers import Followers
from actors.stores import read_from
from actors.token_log.ledger import Command, Forget, Ledger, Open, Reply
from actors.token_log.protocol import Append, AppendVerdict, Logged, SealRequest
from actors.token_log.store import Head, Store
from pipelines.ports import Ports

ANSWER_BYTES = 1 << 20  # of chunks in one answer to `follow`
COMMIT_LIMIT = 4000  # commands; a sync of the disk costs as much as the rest of a thousand
KNOWN_HEADS = 10_000  # with more in memory, all are forgotten and read anew


class TokenLog:
    """Answers `TokenLogApi` on a store."""

    def __init__(self, store: Store, *, ports: Ports) -> None:
        self._store = store
        self._ports = ports
        self._commits: Coalescer[Command, Reply] = Coalescer(
            self._commit, name="token_log", ports=ports, limit=COMMIT_LIMIT
        )
        self._followers = Followers(ports.clock)
        self._heads: dict[str, Head] = {}  # as they were committed

    @property
    def parts(self) -> "tuple[TokenLog]":
        """This one alone."""
        return (self,)

    async def open(self, batch: Sequence[tuple[str, int]]) -> list[Logged | None]:
        """Shut out lower fences, then read."""
        replies = await self._commits.do([Open(job_id, fence) for job_id, fence in batch])
        return cast("list[Logged | None]", replies)

    async def append(self, batch: Sequence[Append]) -> list[AppendVerdict]:
        """Add chunks."""
        verdicts = cast("list[AppendVerdict]", await self._commits.do(batch))
        for verdict in verdicts:
            if verdict is not AppendVerdict.DONE:
                self._ports.metrics.count("appends_refused", verdict=verdict)
        return verdicts

    async def seal(self, batch: Sequence[SealRequest]) -> list[bytes]:
        """End logs."""
        return cast("list[bytes]", await self._commits.do(batch))

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Remove logs."""
        await self._commits.do([Forget(job_id) for job_id in job_ids])

    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        """What is there after a cursor, or a page of it."""
        page = await read_from(self._store, lambda: self._store.read(job_id, after, limit_bytes))
        return Logged(page.chunks, page.seal)

    async def follow(
        self, session: str, add: dict[str, int], remove: Sequence[str], wait_s: float
    ) -> dict[str, Logged]:
        """Long poll for what is new, at most about ANSWER_BYTES of it; the rest comes with the next poll."""
        self._followers.update(session, add, remove)
        give_up_at = self._ports.clock.monotonic() + wait_s
        while changed := await self._followers.wait(session, max(0.0, give_up_at - self._ports.clock.monotonic())):
            if news := await self._news(session, changed):
                return news
        return {}

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    async def _news(self, session: str, changed: dict[str, int]) -> dict[str, Logged]:
        news: dict[str, Logged] = {}
        room = ANSWER_BYTES
        for job_id, cursor in changed.items():
            if room <= 0:
                self._followers.advance(session, job_id, cursor, more=True)
                continue
            page = await read_from(self._store, partial(self._store.read, job_id, cursor, room))
            room -= sum(map(len, page.chunks))
            if page.chunks or page.seal is not None:
                news[job_id] = Logged(page.chunks, page.seal)
            if page.seal is not None:
                self._followers.drop(session, job_id)
            else:
                self._followers.advance(session, job_id, page.cursor, more=page.more)
        return news

    async def _commit(self, commands: list[Command]) -> list[Reply]:
        started = self._ports.clock.monotonic()
        try:
            replies: list[Reply] = await self._ports.run_blocking(lambda: self._write(commands))
        except (ValueError, TypeError, OverflowError):
            if len(commands) == 1 and isinstance(commands[0], Append):
                return [AppendVerdict.ERROR]  # a value that the store cannot take; no repeat would help
            raise
        self._ports.metrics.observe("token_log_commit_seconds", self._ports.clock.monotonic() - started)
        self._followers.mark(command.job_id for command in commands if isinstance(command, (Append, SealRequest)))
        return replies

    def _write(self, commands: list[Command]) -> list[Reply]:
        heads, self._heads = self._heads, {}
        with self._store.transaction() as transaction:
            replies = Ledger(transaction, heads).apply(commands)
            crash_point("token_log.commit.before")
        crash_point("token_log.commit.after")
        if len(heads) <= KNOWN_HEADS:
            self._heads = heads
        return replies

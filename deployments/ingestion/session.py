"""This process's session with the journal: while it lives, the jobs attached to it have somebody who waits for them.

Invariant: from its first use until it is closed the journal hears of it; so jobs of a process that died are cancelled.
"""

import asyncio
import contextlib
from functools import partial
from typing import Any

from actors.journal.protocol import JournalApi, Session, ShardApi
from actors.sharding import together
from actors.supervision import supervise
from pipelines.errors import TransientError
from pipelines.ports import Ports, Task

FAREWELL_S = 1.0  # that a process which ends may spend on saying so
BEAT_S = 5.0  # a third of the silence that the journal takes for an end


class OwnSession:
    """Beats from its first use on. `handle` lets the journal notice the death of this process."""

    def __init__(self, journal: JournalApi, *, ports: Ports, handle: Any = None) -> None:
        self.id = ports.ids.new("ses")
        self._session = Session(self.id, handle)
        self._journal = journal
        self._ports = ports
        self._beating: list[Task] = []  # at each shard

    def begin(self) -> str:
        """Beat, if it does not yet; its id."""
        if not self._beating:
            beats = [partial(self._beat, shard) for shard in self._journal.parts]
            self._beating = [supervise(beat, name="session", ports=self._ports) for beat in beats]
        return self.id

    async def close(self) -> None:
        """Say that nobody waits any more. A journal that does not hear it will take the silence for it."""
        beating, self._beating = self._beating, []
        for task in beating:
            task.cancel()
        if beating:
            with contextlib.suppress(TimeoutError, TransientError):
                async with asyncio.timeout(FAREWELL_S):
                    await together([shard.end_session(self.id) for shard in self._journal.parts])

    async def _beat(self, shard: ShardApi) -> None:
        await shard.session(self._session)
        await self._ports.sleep(BEAT_S)

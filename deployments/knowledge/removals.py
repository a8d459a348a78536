"""Takes out of the index what the journal says is to leave it.

The journal forgets a removal only when it was carried out, so it may be carried out twice, also by two processes.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from actors.journal.protocol import JournalApi
from actors.journal.vector_queries import RemovalsQuery
from actors.supervision import supervise
from pipelines.ports import Ports, Task
from pipelines.vector_edits import CloseRemovals

REMOVALS_PER_CALL = 1000
IDLE_S = 5.0


class ChunkRemover(Protocol):
    """Who has the index. What is not there is as good as removed."""

    async def remove(self, tenant: str, store: str, attachments: Sequence[str]) -> None:
        """The chunks of these attachments go."""

    async def drop(self, tenant: str, store: str) -> None:
        """All of the store goes."""


class Removals:
    """A loop of one process."""

    def __init__(self, remover: ChunkRemover, *, journal: JournalApi, ports: Ports) -> None:
        self._remover = remover
        self._journal = journal
        self._ports = ports
        self._loop: Task | None = None

    def start(self) -> None:
        """Begin."""
        self._loop = supervise(self.carry_out, name="removals", ports=self._ports)

    def stop(self) -> None:
        """End; what was begun is begun again by the next one."""
        if self._loop is not None:
            self._loop.cancel()

    async def carry_out(self) -> None:
        """Carry out what is due, or rest where nothing is."""
        due = await self._journal.ask(RemovalsQuery(REMOVALS_PER_CALL))
        by_store: dict[tuple[str, str], list[str]] = defaultdict(list)
        for removal in due:
            by_store[removal.tenant, removal.store].append(removal.attachment)
        for (tenant, store), attachments in by_store.items():
            if "" in attachments:
                await self._remover.drop(tenant, store)
            else:
                await self._remover.remove(tenant, store, attachments)
        if due:
            await self._journal.edit([CloseRemovals(ids=tuple(removal.id for removal in due))])
        else:
            await self._ports.sleep(IDLE_S)

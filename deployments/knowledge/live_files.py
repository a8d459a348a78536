"""Which files a search may find, as the journal says at the moment of the search.

Invariant: a search sees every file that was completed before it began, with its present attributes, and none that was
detached or deleted before. What is known of a store is kept, and the journal tells only what has changed since.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from actors.journal.protocol import JournalApi
from actors.journal.vector_queries import LiveFiles as Answer
from actors.journal.vector_queries import LiveQueries, LiveQuery
from actors.sharding import ShardedCoalescer
from deployments.knowledge.retrieval import Attached
from deployments.knowledge.vector_errors import expired, unknown_store
from pipelines.ports import Ports
from pipelines.vector_edits import Attachment, TouchVectorStore, VectorStore

FILES = 200_000  # that are kept, those of the stores that were searched last
TOUCH_S = 3600.0  # a store that is searched is said to be active so often; stores expire by days


class _Known(NamedTuple):
    version: int = 0
    files: Mapping[str, Attached] = {}  # by attachment


class LiveFiles:
    """Of one process. Raises RejectError for an unknown or expired store, StoreUnavailableError."""

    def __init__(self, journal: JournalApi, ports: Ports) -> None:
        self._journal = journal
        self._ports = ports
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._reads: ShardedCoalescer[tuple[str, str], Mapping[str, Attached] | Exception] = ShardedCoalescer(
            self._read, shard=lambda key: journal.home(key[0]), name="live_files", ports=ports
        )

    async def of(self, tenant: str, stores: Sequence[str]) -> list[Mapping[str, Attached]]:
        """The files of each store, by attachment."""
        answers = await self._reads.do([(tenant, store) for store in stores])  # raises the first that is an exception
        return cast("list[Mapping[str, Attached]]", answers)

    async def _read(self, keys: list[tuple[str, str]]) -> list[Mapping[str, Attached] | Exception]:
        """One question for all that wait: it is asked after the last of them has come."""
        known = {key: self._known.get(key, _Known()) for key in keys}
        queries = [LiveQuery(*key, since=before.version) for key, before in known.items()]
        answers = dict(zip(known, await self._journal.ask(LiveQueries(queries)), strict=True))
        await self._touch([answer.store for answer in answers.values() if answer is not None])
        found = {key: self._take_in(key, known[key], answer) for key, answer in answers.items()}
        return [found[key] for key in keys]

    def _take_in(
        self, key: tuple[str, str], before: _Known, answer: Answer | None
    ) -> Mapping[str, Attached] | Exception:
        if answer is None or answer.store.expired(self._ports.clock.now()):
            self._known.pop(key, None)
            return unknown_store(key[1]) if answer is None else expired(key[1])
        changed = {row.id: _live(row) for row in answer.files}
        if answer.whole:
            files: Mapping[str, Attached] = changed
        else:
            files = {**before.files, **changed} if changed else before.files
        self._known[key] = _Known(answer.store.version, files)
        self._known.move_to_end(key)
        while len(self._known) > 1 and sum(len(known.files) for known in self._known.values()) > FILES:
            self._known.popitem(last=False)
        return files

    async def _touch(self, stores: Sequence[VectorStore]) -> None:
        since = self._ports.clock.now() - TOUCH_S
        idle = [TouchVectorStore(store=row.id, tenant=row.tenant) for row in stores if row.last_active_at < since]
        if idle:
            await self._journal.edit(idle)


def _live(row: Attachment) -> Attached:
    return Attached(row.file, row.filename, json.loads(row.attributes))

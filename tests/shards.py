"""Shards for tests: journals and token logs in memory, behind one face."""

from typing import Any

from actors.dispatcher import Dispatcher
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.journal.protocol import Death
from actors.sharded import ShardedJournal, ShardedTokenLog
from actors.sharding import home_of
from actors.token_log import memory as token_memory
from actors.token_log.token_log import TokenLog
from actors.topics.in_process import InProcessTopic
from events.ids import make_id
from pipelines.commands import Submit
from tests.factories import make_ports, submit

TENANTS = ("default", "acme")  # at home in the first and in the second of two shards


class Shards:
    """Two of them, whose dispatchers share their topics."""

    def __init__(self, number: int = 2) -> None:
        self.journals = [
            Journal(MemoryStore(Disk(uuid=f"journal-{shard}")), ports=make_ports(), shard=shard, shards=number)
            for shard in range(number)
        ]
        self.token_logs = [
            TokenLog(token_memory.MemoryTokenStore(token_memory.Disk(uuid=f"tokens-{shard}")), ports=make_ports())
            for shard in range(number)
        ]
        self.journal = ShardedJournal(self.journals)
        self.token_log = ShardedTokenLog(self.token_logs)
        self.topics: dict[str, InProcessTopic] = {}
        self.dispatchers = [self._dispatcher(*parts) for parts in zip(self.journals, self.token_logs, strict=True)]

    def start(self) -> None:
        for dispatcher in self.dispatchers:
            dispatcher.start()

    def stop(self) -> None:
        for dispatcher in self.dispatchers:
            dispatcher.stop()

    def topic(self, name: str) -> InProcessTopic:
        return self.topics.setdefault(name, InProcessTopic(name, size=100))

    def _dispatcher(self, journal: Journal, token_log: TokenLog) -> Dispatcher:
        return Dispatcher(journal, token_log, open_topic=self.topic, death_of=_lives, ports=make_ports())


async def _lives(_: object) -> Death | None:
    return None


def id_for(tenant: str, number: int, *, prefix: str = "resp", shards: int = 2) -> str:
    """An id as ingestion makes one for the tenant."""
    return make_id(prefix, shard=home_of(tenant, shards), milliseconds=number, entropy=bytes(16))


def submit_for(tenant: str, number: int, **changes: Any) -> Submit:
    return submit(number, job_id=id_for(tenant, number), tenant=tenant, **changes)

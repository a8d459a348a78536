"""Finds the shards of a running cluster. How many there are, the first one knows."""

from actors.journal.protocol import JournalApi, Places
from actors.naming import journal_name, token_log_name
from actors.remotes import PATIENCE_S, RemoteJournal, RemoteTokenLog
from actors.sharded import journal_of, token_log_of
from actors.token_log.protocol import TokenLogApi
from pipelines.ports import Ports

CLAIM_PATIENCE_S = 1.0  # the slots that a claim asks for wait with it, though another shard may have work for them


class Cluster:
    """The shards of a cluster as one journal and one token log, and the places that belong to them."""

    def __init__(self, shards: int, places: Places, ports: Ports) -> None:
        self.places = places
        numbers, claim_patience_s = range(shards), PATIENCE_S if shards == 1 else CLAIM_PATIENCE_S
        self.shards = [
            RemoteJournal(journal_name(shard), ports, shard=shard, claim_patience_s=claim_patience_s)
            for shard in numbers
        ]
        self.journal: JournalApi = journal_of(self.shards)
        self.token_log: TokenLogApi = token_log_of([RemoteTokenLog(token_log_name(shard), ports) for shard in numbers])

    @classmethod
    async def find(cls, ports: Ports) -> "Cluster":
        """The one that is there. Raises UnreachableError where its first shard is not."""
        info = await RemoteJournal(journal_name(0), ports).info()
        return cls(info.shards, info.places, ports)

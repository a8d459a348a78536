"""The shards of a simulated world: their disks, who watches these, and what they have together."""

from collections import defaultdict

from actors.naming import journal_name, token_log_name
from actors.token_log.memory import Log
from deployments.ingestion.middleware import DEFAULT_TENANT
from events.ids import shard_of
from tests.simulation.disks import JournalDisk, TokenDisk, merged
from tests.simulation.trace import Trace
from tests.simulation.watcher import JournalWatcher

TENANTS = (DEFAULT_TENANT, "acme")  # at home in the first and in the second of two shards


class Shards:
    """One or two, each with a tenant."""

    def __init__(self, number: int, trace: Trace) -> None:
        self.shards = number
        self.tenants = TENANTS[:number]
        self.journal_disks = [JournalDisk(uuid=f"journal {shard}") for shard in range(number)]
        self.token_disks = [TokenDisk(uuid=f"tokens {shard}") for shard in range(number)]
        self.journal_watchers = [JournalWatcher(disk, trace) for disk in self.journal_disks]

    @property
    def journals(self) -> list[str]:
        """Their names."""
        return [journal_name(shard) for shard in range(self.shards)]

    @property
    def token_logs(self) -> list[str]:
        """Their names."""
        return [token_log_name(shard) for shard in range(self.shards)]

    @property
    def journal_disk(self) -> JournalDisk:
        """What all journals have."""
        return merged(self.journal_disks)

    def keyed(self) -> defaultdict[str, set[str]]:
        """By idempotency key: the jobs for which it stood in a commit."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for watcher in self.journal_watchers:
            for key, job_ids in watcher.keyed.items():
                found[key] |= job_ids
        return found

    def log(self, job_id: str) -> Log:
        """The job's log."""
        return self.token_disks[shard_of(job_id)].logs.get(job_id, Log())

"""Ready steps of one topic that are in memory, read as a store would read them."""

from collections.abc import Mapping, Sequence

from pipelines.jobs import Job


class ReadySteps:
    """All that there are."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = sorted(jobs, key=lambda job: (-job.priority, job.ready_at, job.id))

    def ready(
        self, topic: str, priorities: tuple[int, int], tenants: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[Job]]:
        """See `store.Transaction`."""
        del topic
        lowest, highest = priorities
        found: dict[str, list[Job]] = {tenant: [] for tenant in tenants}
        for job in self._jobs:
            if lowest <= job.priority <= highest and job.tenant in found and len(found[job.tenant]) < limit:
                found[job.tenant].append(job)
        return found

"""The jobs that are under way, in memory: as the store has them, for no other process writes there.

All that are claimed, of which there are never more than slots; and of each topic the ready steps while they are few,
with their payloads, so that what is claimed soon after it was written need not be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pipelines.jobs import Job, Reference, StepState

MOST_READY = 256  # of a topic
MOST_PAYLOADS = 1024
PAYLOAD_BYTES = 4096  # a larger one is read


class WorkingSet:
    """Begins with all jobs of the store that are claimed, and follows what is written to it."""

    def __init__(self, claimed: Iterable[Job]) -> None:
        self._jobs: dict[str, Job] = {}
        self._of: defaultdict[str, dict[str, Job]] = defaultdict(dict)  # claimed, by worker
        self._ready: defaultdict[str, dict[str, Job]] = defaultdict(dict)  # by topic
        self._payloads: dict[tuple[str, Reference], bytes] = {}  # the newest
        for job in claimed:
            self.write(job)

    def get(self, job_id: str) -> Job | None:
        """The job, if it is here."""
        return self._jobs.get(job_id)

    def held(self, worker: str) -> list[Job]:
        """What a worker has claimed."""
        return list(self._of[worker].values()) if worker in self._of else []

    def ready(self, topic: str) -> Sequence[Job]:
        """Ready steps of a topic, which need not be all of them; none of a suspect."""
        return list(self._ready[topic].values()) if topic in self._ready else []

    def write(self, job: Job) -> None:
        """This is the job's row now."""
        self.drop(job.id)
        if job.step_state is StepState.CLAIMED:
            self._jobs[job.id] = self._of[job.worker][job.id] = job
        elif job.step_state is StepState.READY and not job.suspects and len(self._ready[job.topic]) < MOST_READY:
            self._jobs[job.id] = self._ready[job.topic][job.id] = job

    def drop(self, job_id: str) -> None:
        """The job is neither claimed nor ready any more, or gone."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        groups, name = (self._of, job.worker) if job.step_state is StepState.CLAIMED else (self._ready, job.topic)
        del groups[name][job_id]
        if not groups[name]:
            del groups[name]

    def keep(self, tenant: str, reference: Reference, data: bytes) -> None:
        """A payload that may be asked for soon."""
        if len(data) <= PAYLOAD_BYTES:
            self._payloads[tenant, reference] = data
            if len(self._payloads) > MOST_PAYLOADS:
                del self._payloads[next(iter(self._payloads))]

    def payload(self, tenant: str, reference: Reference) -> bytes | None:
        """It, if it is here."""
        return self._payloads.get((tenant, reference))

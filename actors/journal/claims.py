"""The claimed jobs, in memory: as the store has them, for no other process writes there.

Most of what is read is the job of an outcome, or what a worker holds. There are never more of them than slots.
"""

from collections import defaultdict
from collections.abc import Iterable

from pipelines.jobs import Job, StepState


class Claims:
    """Begins with all jobs of the store that are claimed, and follows what is written to it."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs: dict[str, Job] = {}
        self._of: defaultdict[str, dict[str, Job]] = defaultdict(dict)  # by worker
        for job in jobs:
            self.write(job)

    def get(self, job_id: str) -> Job | None:
        """The job, if it is claimed."""
        return self._jobs.get(job_id)

    def held(self, worker: str) -> list[Job]:
        """What a worker has claimed."""
        return list(self._of[worker].values()) if worker in self._of else []

    def write(self, job: Job) -> None:
        """This is the job's row now."""
        self.drop(job.id)
        if job.step_state is StepState.CLAIMED:
            self._jobs[job.id] = self._of[job.worker][job.id] = job

    def drop(self, job_id: str) -> None:
        """The job is claimed no more, or gone."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        held = self._of[job.worker]
        del held[job_id]
        if not held:
            del self._of[job.worker]

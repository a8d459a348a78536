"""What a committed batch has changed: for the journal's counts, its followers, the dispatcher and the workers."""

from collections import Counter
from dataclasses import dataclass, field

from actors.journal.census import Census
from actors.telemetry.logs import StateChange
from pipelines.jobs import Job, StepState
from pipelines.steps import next_step


@dataclass(slots=True)
class Effects:
    """What a committed batch changed."""

    ready: Counter[str] = field(default_factory=Counter)  # by topic; may be negative
    waiting: Counter[str] = field(default_factory=Counter)
    coming: Counter[str] = field(default_factory=Counter)  # by topic: steps whose preceding step is claimed
    claimed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (topic, worker)
    finished: Counter[str] = field(default_factory=Counter)  # by topic: claims that came to an outcome
    tickets: Counter[str] = field(default_factory=Counter)  # used, by topic that was claimed from, also for nothing
    followed: dict[str, None] = field(default_factory=dict)  # jobs with new events, in order
    attached: set[str] = field(default_factory=set)  # sessions of jobs that have changed
    ended: list[Job] = field(default_factory=list)
    pruned: list[Job] = field(default_factory=list)
    changes: list[StateChange] = field(default_factory=list)  # one per event
    revoked: list[tuple[str, str, int]] = field(default_factory=list)  # worker, job, fence
    census: Census | None = None  # how it was before, where that was in doubt

    def count(self, job: Job, by: int) -> None:
        """So many rows like this job's have come, or gone where it is negative."""
        match job.step_state:
            case StepState.READY:
                self.ready[job.topic] += by
            case StepState.WAITING:
                self.waiting[job.topic] += by
            case StepState.CLAIMED:
                self.claimed[job.topic, job.worker] += by
                if (following := next_step(job.step, job.model)) is not None:
                    self.coming[following.topic] += by

"""What a journal counts in its store when it starts, and after a transaction that may have been done or not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipelines.jobs import Job, StepState
from pipelines.steps import next_step


class CensusRow(NamedTuple):
    """So many jobs are alike in this. What matters of each state only is as by default elsewhere."""

    topic: str
    tenant: str
    state: StepState
    jobs: int
    priority: int = 0  # ready
    is_suspect: bool = False  # ready
    step: str = ""  # claimed
    model: str = ""  # claimed
    worker: str = ""  # claimed


def row_of(job: Job) -> CensusRow:
    """What counts of this job."""
    match job.step_state:
        case StepState.READY:
            return CensusRow(job.topic, job.tenant, job.step_state, 1, job.priority, bool(job.suspects))
        case StepState.CLAIMED:
            return CensusRow(
                job.topic, job.tenant, job.step_state, 1, step=job.step, model=job.model, worker=job.worker
            )
        case _:
            return CensusRow(job.topic, job.tenant, job.step_state, 1)


class Census(NamedTuple):
    """Steps per topic, claims per (topic, worker), and the rows of which these are the sums."""

    ready: Counter[str]
    waiting: Counter[str]
    coming: Counter[str]  # steps whose preceding step is claimed, by their own topic
    claimed: Counter[tuple[str, str]]
    rows: Sequence[CensusRow]


def take_census(rows: Iterable[CensusRow]) -> Census:
    """The sums of what a store has counted."""
    census = Census(Counter(), Counter(), Counter(), Counter(), tuple(rows))
    for row in census.rows:
        match row.state:
            case StepState.READY:
                census.ready[row.topic] += row.jobs
            case StepState.WAITING:
                census.waiting[row.topic] += row.jobs
            case StepState.CLAIMED:
                census.claimed[row.topic, row.worker] += row.jobs
                if (following := next_step(row.step, row.model)) is not None:
                    census.coming[following.topic] += row.jobs
    return census

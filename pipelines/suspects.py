"""Who is to blame when a worker dies: the jobs that it held are set apart until one of them crashes a worker alone.

One crash proves nothing, so its jobs are offered again together. Those that are there in a second one are suspects:
they go back in two groups, each of which a single worker tries with nothing else beside it. A group that gets through
is innocent; one that crashes its worker is halved again. Only a crash alone counts against a job.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.jobs import Job

MAX_LONE_CRASHES = 3  # then it is a dead letter


def accuse(held: Sequence[Job], group: str) -> list[Job]:
    """What the jobs that a crashed worker held are suspected of now. `group` is a name that no other crash has."""
    present = [replace(job, crashes=job.crashes + 1) for job in held]
    if len(present) == 1:
        (job,) = present
        return [replace(job, lone_crashes=job.lone_crashes + 1, suspects=group)]
    suspects = [job.id for job in present if job.crashes > 1]
    first_half = set(suspects[: (len(suspects) + 1) // 2])
    return [
        replace(job, suspects=f"{group}{'a' if job.id in first_half else 'b'}") if job.crashes > 1 else job
        for job in present
    ]


def guilty(job: Job) -> bool:
    """Whether the job has crashed its worker alone too often."""
    return job.lone_crashes >= MAX_LONE_CRASHES

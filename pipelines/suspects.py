"""Who is to blame when a worker dies: the jobs that it held are set apart until one of them crashes a worker alone.

One crash proves nothing, so its jobs are offered again together. Those that are there in a second one are suspects:
they go back in two groups, each of which a single worker tries with nothing else beside it. A group that gets through
is innocent; one that crashes its worker is halved again. Only a crash alone counts against a job.
"""

from collections.abc import Sequence

from pipelines.jobs import Job, evolve

MAX_LONE_CRASHES = 3  # then it is a dead letter


def accuse(held: Sequence[Job]) -> list[Job]:
    """What the jobs of a crashed worker are suspected of now. A group is named by the id of its first job."""
    present = [evolve(job, crashes=job.crashes + 1) for job in sorted(held, key=lambda job: job.id)]
    if len(present) == 1:
        (job,) = present
        return [evolve(job, lone_crashes=job.lone_crashes + 1, suspects=job.id)]
    suspects = [job for job in present if job.crashes > 1]
    middle = (len(suspects) + 1) // 2
    halves = [half for half in (suspects[:middle], suspects[middle:]) if half]
    accused = [evolve(job, suspects=half[0].id) for half in halves for job in half]
    return accused + [job for job in present if job.crashes == 1]


def guilty(job: Job) -> bool:
    """Whether the job has crashed its worker alone too often."""
    return job.lone_crashes >= MAX_LONE_CRASHES

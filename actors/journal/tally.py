"""How many jobs of a kind have come and gone in one batch, so that whoever counts hears of each kind once."""

from collections.abc import Iterator
from typing import Any

from pipelines.jobs import Job, StepState


class Tally:
    """Of one batch. Jobs are of one kind where nobody who counts tells them apart."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Any, ...], list[Any]] = {}  # an example of each, and the sum

    def add(self, job: Job, by: int) -> None:
        """One has come (+1) or gone (-1). Those that are done are not counted."""
        state = job.step_state
        if state is StepState.DONE:
            return
        kind = (
            state is StepState.READY, state is StepState.CLAIMED, job.topic, job.tenant, job.priority, job.suspects,
            job.worker, job.step, job.model,
        )  # fmt: skip
        known = self._kinds.get(kind)
        if known is None:
            self._kinds[kind] = [job, by]
        else:
            known[1] += by

    def sums(self) -> Iterator[tuple[Job, int]]:
        """An example of each kind, in the order in which they came, and how many more there are."""
        return ((job, by) for job, by in self._kinds.values() if by)

"""Planted bugs of batches: see `planted.py`."""

from collections.abc import Iterable, Sequence

from actors.journal.batches import Batches
from actors.journal.ledger import Ledger
from deployments.batching.validation import Validator
from events.ids import number_of
from pipelines.batch_edits import BatchStatus, line_id
from pipelines.changes import Change
from pipelines.commands import Answer, Finish, Submit, Validated
from pipelines.jobs import ClaimedJob, Job, StepState
from pipelines.steps import LINES
from tests.simulation.kits import with_batches, with_ledger
from tests.simulation.parts import Kit

_AFAR = 1000  # numbers that no line has


class Counting(Ledger):
    """Counts a line once more when its outcome is repeated."""

    def _finish(self, command: Finish) -> Answer:
        job = self._draft.jobs.get(command.job_id)
        if job is not None and job.pipeline in LINES and job.status.terminal and job.settled == command.fence:
            self._batches.settle(Change(job, []))
        return super()._finish(command)


class Hasty(Batches):
    """Has the results written while the last line still runs."""

    def flush(self) -> None:
        for row in list(self._changed.values()):
            if row.status == BatchStatus.IN_PROGRESS and not row.fate and row.completed + row.failed == row.total - 1:
                self._finalize(row)
        super().flush()


class Sparing(Batches):
    """Forgets the lines that are claimed when a batch is to end early."""

    def wind_down(self, limit: int) -> int:
        adopt = self._draft.adopt
        self._draft.adopt = lambda jobs: adopt(_unclaimed(jobs))  # type: ignore[method-assign]
        ended = super().wind_down(limit)
        self._draft.adopt = adopt  # type: ignore[method-assign]
        return ended


class Renumbering(Validator):
    """Gives lines other ids when it begins again after a crash."""

    _again: frozenset[str] = frozenset()

    async def run(self, claim: ClaimedJob) -> Validated:
        if claim.attempt > 1:
            self._again |= {claim.job_id}
        return await super().run(claim)

    async def _submit(self, commands: Sequence[Submit]) -> None:
        again = {line_id(job_id, 0) for job_id in self._again}
        await super()._submit([_moved(each) if line_id(each.job_id, 0) in again else each for each in commands])


def _unclaimed(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.step_state is not StepState.CLAIMED]


def _moved(command: Submit) -> Submit:
    return command._replace(job_id=line_id(command.job_id, number_of(command.job_id) + _AFAR))


def bugs() -> dict[str, tuple[str, Kit]]:
    """By name: the violation, and the kit."""
    return {
        "a line that is counted twice": ("counts", with_ledger(Counting)),
        "results without the last line": ("lines", with_batches(Hasty)),
        "a cancel that spares claimed lines": ("lines", with_batches(Sparing)),
        "lines that are submitted again": ("duplicated", Kit(validator=Renumbering)),
    }

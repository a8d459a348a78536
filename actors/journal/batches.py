"""Batches in one transaction: what clients ask of them, and what the ends of their jobs mean for them.

Invariants:
- A line is counted once, in the transaction that ends its job; a batch is written once in each transaction.
- Results are written when every line has ended, by one job, whose end is the batch's.
- Once a batch has a fate it gets no new lines, and those that it has are ended.
"""

import json
from collections.abc import Sequence

from actors.journal.draft import Draft
from actors.journal.store import Transaction
from pipelines import transitions
from pipelines.batch_edits import (
    Batch,
    BatchEdit,
    BatchStatus,
    BeginBatch,
    CancelBatch,
    CreateBatch,
    LineQuery,
    RefuseBatch,
    batch_job,
    error_id,
    finalization_id,
    output_id,
    validation_id,
)
from pipelines.changes import Change
from pipelines.commands import Answer, Submit, Verdict
from pipelines.edits import File
from pipelines.jobs import Fault, Job, Status, Usage
from pipelines.steps import FINALIZATION, LINES, VALIDATION
from pipelines.transitions import DEADLINE_PASSED

WRITING_S = 30 * 86400.0  # for the job that writes the results, whatever fails
_DONE = (Status.COMPLETED, Status.INCOMPLETE)
_FILES = (("output", output_id, "output_bytes"), ("error", error_id, "error_bytes"))


class Batches:
    """One transaction's."""

    def __init__(self, transaction: Transaction, draft: Draft, now: float) -> None:
        self._transaction = transaction
        self._draft = draft
        self._now = now
        self._rows: dict[str, Batch | None] = {}
        self._changed: dict[str, Batch] = {}
        self._ended: dict[str, list[Job]] = {}  # lines that are not yet counted, by batch

    def create(self, command: CreateBatch) -> None:
        """A batch whose validation was accepted; a repeat changes nothing."""
        if self._row(command.batch) is None:
            self._put(_new(command, self._now))

    def edit(self, command: BatchEdit) -> Answer:
        """Do what its validation, or a client, asks for."""
        row = self._row(command.batch)
        if row is None or row.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        match command:
            case BeginBatch() if row.total < 0 and not row.fate:
                self._put(row._replace(total=command.lines, model=command.model))
            case RefuseBatch() if row.status == BatchStatus.VALIDATING:
                self._fail(row, command.errors)
            case CancelBatch() if not (row.ended or row.fate):
                self._cancel(row)
        return Answer(Verdict.DONE, detail=row.status)

    def takes(self, command: Submit) -> bool:
        """Whether a line may still be added."""
        row = self._row(command.part_of)
        return row is not None and row.status == BatchStatus.VALIDATING and not row.fate

    def settle(self, change: Change) -> None:
        """One of its jobs has ended. A dead letter that is done again is none of them."""
        job = change.job
        if job.redrive_of:
            return
        if job.pipeline in LINES:
            self._ended.setdefault(job.part_of, []).append(job)
            return
        row = self._row(job.part_of) if job.pipeline in (VALIDATION, FINALIZATION) else None
        if row is None or row.ended:
            return
        if job.pipeline == VALIDATION:
            self._validated(row, job)
        else:
            self._finalized(row, change)

    def expire(self) -> None:
        """The time of some is over."""
        for found in self._transaction.batches.overdue(self._now):
            row = self._row(found.id) or found
            if not row.fate and row.finalizing_at is None:
                self._put(row._replace(fate=BatchStatus.EXPIRED))

    def wind_down(self, limit: int) -> int:
        """End lines of one that has a fate; how many. It ends with the last of them."""
        self.flush()
        self._draft.flush()
        row = self._transaction.batches.doomed()
        if row is None:
            return 0
        lines = self._draft.adopt(self._transaction.batches.open_lines(LineQuery(row.id, limit=limit)))
        for job in lines:
            self._draft.revoke(job)
            self._draft.change(transitions.cancel(job, self._now))
        if len(lines) < limit:
            self._close(self._row(row.id) or row)
        return max(1, len(lines))

    def flush(self) -> None:
        """Write what has changed, and let the results be written of those whose last line has ended."""
        for batch in list(self._ended):
            self._row(batch)
        for row in self._changed.values():
            if row.status == BatchStatus.IN_PROGRESS and not row.fate and row.completed + row.failed >= row.total:
                self._finalize(row)
        for row in self._changed.values():
            self._transaction.batches.put(row)
        self._changed = {}

    def _validated(self, row: Batch, job: Job) -> None:
        if job.status is Status.COMPLETED:
            if row.status == BatchStatus.VALIDATING and not row.fate:
                self._put(row._replace(status=BatchStatus.IN_PROGRESS, in_progress_at=self._now))
        elif job.status is Status.CANCELLED:
            self._cancel(row)
        elif job.fault == DEADLINE_PASSED:
            self._put(row._replace(fate=row.fate or BatchStatus.EXPIRED))
        else:
            self._fail(row, _errors(job.fault))

    def _finalized(self, row: Batch, change: Change) -> None:
        if change.job.status is not Status.COMPLETED:
            self._fail(row, _errors(change.job.fault))
            return
        (fact,) = change.facts
        status = BatchStatus(row.fate or BatchStatus.COMPLETED)
        row = row._replace(
            status=status,
            open=0,
            ended_at=self._now,
            output_bytes=fact.output_bytes,
            error_bytes=fact.error_bytes,
            reasoning_tokens=fact.reasoning_tokens,
        )
        self._put(row)
        for kind, name, size in _FILES:
            if getattr(row, size):
                self._transaction.files.put(self._file(row, kind, name(row.id), getattr(row, size)))

    def _file(self, row: Batch, kind: str, name: str, size: int) -> File:
        expires_at = None if row.output_expires_s is None else self._now + row.output_expires_s
        return File(name, row.tenant, f"{row.id}_{kind}.jsonl", "batch_output", size, self._now, expires_at)

    def _cancel(self, row: Batch) -> None:
        """Its validation, where that goes on, ends at once."""
        if not row.fate:
            status = BatchStatus.CANCELLING
            self._put(row._replace(status=status, fate=BatchStatus.CANCELLED, cancelling_at=self._now))
            validation = self._draft.jobs.get(validation_id(row.id))
            if validation is not None and not validation.status.terminal:
                self._draft.revoke(validation)
                self._draft.change(transitions.cancel(validation, self._now))

    def _fail(self, row: Batch, errors: str) -> None:
        """Lines that are there already are still to be ended."""
        status = BatchStatus.FAILED
        lines = int(0 <= row.total > row.completed + row.failed)
        self._put(row._replace(status=status, fate=status, open=lines, errors=errors, ended_at=self._now))

    def _close(self, row: Batch) -> None:
        """None of its lines is open any more."""
        if row.ended:
            self._put(row._replace(open=0))
        elif row.total < 0:
            self._put(row._replace(status=row.fate, open=0, ended_at=self._now))
        else:
            self._finalize(row)

    def _finalize(self, row: Batch) -> None:
        status = row.status if row.fate == BatchStatus.CANCELLED else BatchStatus.FINALIZING
        failed = row.total - row.completed  # with lines that were never added
        self._put(row._replace(status=status, failed=failed, finalizing_at=self._now))
        job = batch_job(finalization_id(row.id), row.tenant, FINALIZATION, deadline_s=WRITING_S, now=self._now)
        self._draft.keep(row.tenant, job.request)
        self._draft.add(transitions.submit(job, self._now))

    def _row(self, batch: str) -> Batch | None:
        """As it is now, all lines that have ended counted."""
        if batch not in self._rows:
            self._rows[batch] = self._transaction.batches.load(batch)
        lines, row = self._ended.pop(batch, []), self._rows[batch]
        if lines and row is not None and not row.ended:
            self._put(_counted(row, lines))
        return self._rows[batch]

    def _put(self, row: Batch) -> None:
        self._rows[row.id] = self._changed[row.id] = row


def _new(command: CreateBatch, now: float) -> Batch:
    return Batch(
        id=command.batch,
        tenant=command.tenant,
        endpoint=command.endpoint,
        input_file=command.input_file,
        window=command.window,
        metadata=command.metadata,
        output_expires_s=command.output_expires_s,
        created_at=now,
        expires_at=now + command.window_s,
    )


def _counted(row: Batch, lines: Sequence[Job]) -> Batch:
    done = [job.usage or Usage() for job in lines if job.status in _DONE]
    return row._replace(
        completed=row.completed + len(done),
        failed=row.failed + len(lines) - len(done),
        input_tokens=row.input_tokens + sum(usage.input_tokens for usage in done),
        output_tokens=row.output_tokens + sum(usage.output_tokens for usage in done),
        cached_tokens=row.cached_tokens + sum(usage.cached_tokens for usage in done),
    )


def _errors(fault: Fault | None) -> str:
    """Why the batch's own job gave up, as the batch's errors."""
    fault = fault or Fault("server_error", "The batch was stopped.")
    return json.dumps([{"code": fault.code, "message": fault.message, "param": None, "line": None}])

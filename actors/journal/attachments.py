"""Files of vector stores in one batch: attached and detached, and the jobs that index them.

Invariants: a file is attached, and the job that indexes it accepted, in one transaction, and so are their ends; what
is detached is found by no search any more, and a note is left that its chunks are to leave the index.
"""

from collections.abc import Iterable, Sequence

from actors.journal.draft import Draft
from actors.journal.store import Transaction
from actors.journal.vector_rows import VectorRows
from events.v1.events_pb2 import FileIndexed
from pipelines import transitions
from pipelines.changes import Change
from pipelines.commands import Payload, Submit
from pipelines.edits import File
from pipelines.jobs import Fault, Job, Status, timed_reference_of
from pipelines.payloads import IndexRequest
from pipelines.steps import INDEXING
from pipelines.vector_edits import AttachFiles, Attachment, FileToAttach, Removal, VectorStore

INDEXING_S = 3600.0  # after which a file that is still not indexed has failed,
PER_FILE_S = 10.0  # and so much more for each one that is indexed with it or before it in its store
REMOVAL_S = 60.0  # until chunks are removed, once nobody should write any: who still does is told to stop by then
NAME_CHARACTERS = 255  # of a filename that an indexer is told: the last ones
FILE_ERRORS = frozenset({"unsupported_file", "invalid_file"})  # what clients are told of; all else is `server_error`


class Attachments:
    """One batch's. What it reads by queries must have been flushed."""

    def __init__(self, transaction: Transaction, rows: VectorRows, draft: Draft, now: float) -> None:
        self._transaction = transaction
        self._table = transaction.vectors
        self._rows = rows
        self._draft = draft
        self._now = now

    def settle(self, change: Change) -> None:
        """The job has ended; where it indexed a file that is still attached, so has that."""
        job = change.job
        row = self._rows.attachment(job.part_of) if job.pipeline == INDEXING else None
        if row is None or row.job != job.id or row.status is not Status.IN_PROGRESS:
            return
        usage = sum(fact.usage_bytes for fact in change.facts if isinstance(fact, FileIndexed))
        code, message = _error_of(job.fault) if job.fault else ("", "")
        ended = row._replace(status=job.status, usage_bytes=usage, error_code=code, error_message=message)
        self._rows.replace(row, ended)

    def renew(self, job: Job) -> None:
        """This new job does one again that was given up; its dead letter would be gone if its file were."""
        row = self._rows.attachment(job.part_of) if job.pipeline == INDEXING else None
        if row is not None:
            again = row._replace(job=job.id, status=Status.IN_PROGRESS, error_code="", error_message="")
            self._rows.replace(row, again)

    def unknown(self, command: AttachFiles) -> str:
        """A file that cannot be attached, "" where all can."""
        found = self._transaction.files.many(list({entry.file for entry in command.files}))
        there = {file.id for file in found if self._is_there(file, command.tenant)}
        return next((entry.file for entry in command.files if entry.file not in there), "")

    def attach(self, store: VectorStore, command: AttachFiles) -> None:
        """Attach files that are there, and have those indexed that need to be."""
        wanted = {entry.file: entry for entry in command.files}  # the last one counts where a file is named twice
        self._load_jobs(entry.job for entry in wanted.values())
        there = {row.file: row for row in self._table.by_files(store.id, list(wanted))}
        new = []
        for entry in wanted.values():
            row = there.get(entry.file)
            if row is not None and _goes_on(row, entry):
                kept = row._replace(attributes=entry.attributes, file_batch=command.file_batch or row.file_batch)
                self._rows.replace(row, kept)
            elif entry.job not in self._draft.jobs:  # else a repeat of what was detached since
                new.append(entry)
        self.detach([there[entry.file] for entry in new if entry.file in there])
        self._index(store, command, new)

    def detach(self, rows: Sequence[Attachment]) -> None:
        """These files are in their stores no more."""
        if not rows:
            return
        for row in rows:
            self._rows.replace(row, None)
        self.cancel(rows)  # whose ends find nothing to settle any more
        self._forget_letters([row.job for row in rows if row.status is Status.FAILED])
        self.leave_index([Removal(row.tenant, row.store, row.id) for row in rows])

    def leave_index(self, removals: Sequence[Removal], since: float | None = None) -> None:
        """What is gone is to leave the index as well; nobody should write it after `since`, None: now."""
        self._table.put_removals(removals, (self._now if since is None else since) + REMOVAL_S)

    def cancel(self, rows: Sequence[Attachment]) -> None:
        """End the jobs of these attachments, as far as they are open.

        Who holds one goes on with the others of its claim, and may write this one's chunks until its attempt is over.
        """
        self._load_jobs(row.job for row in rows if row.status is Status.IN_PROGRESS)
        jobs = [(row, self._draft.jobs.get(row.job)) for row in rows if row.status is Status.IN_PROGRESS]
        going = [(row, job) for row, job in jobs if job is not None and not job.status.terminal]
        held = [(row, job.step_deadline_at) for row, job in going if job.step_deadline_at is not None]
        if held:
            removals = [Removal(row.tenant, row.store, row.id) for row, _ in held]
            self.leave_index(removals, max(until for _, until in held))
        for _, job in going:
            self._draft.revoke(job)
            self._draft.change(transitions.cancel(job, self._now))

    def _is_there(self, file: File, tenant: str) -> bool:
        complete = file.tenant == tenant and not file.upload and file.size is not None
        return complete and (file.expires_at is None or file.expires_at > self._now)

    def _index(self, store: VectorStore, command: AttachFiles, entries: Sequence[FileToAttach]) -> None:
        """Attach these, and submit their jobs."""
        deadline_s = INDEXING_S + PER_FILE_S * (store.counts.in_progress + len(entries))
        files = self._transaction.files.many([entry.file for entry in entries])
        names = {file.id: file.filename for file in files}
        for entry in entries:
            row = Attachment(
                id=entry.attachment,
                store=store.id,
                file=entry.file,
                tenant=store.tenant,
                filename=names[entry.file],
                attributes=entry.attributes,
                chunk_tokens=entry.chunk_tokens,
                overlap_tokens=entry.overlap_tokens,
                status=Status.IN_PROGRESS,
                created_at=self._now,
                job=entry.job,
                file_batch=command.file_batch,
            )
            self._rows.replace(None, row)
            self._submit(row, command, deadline_s)

    def _submit(self, row: Attachment, command: AttachFiles, deadline_s: float) -> None:
        request = IndexRequest(
            attachment=row.id,
            store=row.store,
            file=row.file,
            filename=row.filename[-NAME_CHARACTERS:],
            chunk_tokens=row.chunk_tokens,
            overlap_tokens=row.overlap_tokens,
        ).encode()
        payload = Payload(timed_reference_of(request, self._now), request)
        submit = Submit(
            job_id=row.job,
            tenant=row.tenant,
            pipeline=INDEXING,
            model=command.model,
            request=payload,
            deadline_s=deadline_s,
            priority=command.priority,
            traceparent=command.traceparent,
            part_of=row.id,
        )
        self._draft.keep(row.tenant, payload)
        self._draft.add(transitions.submit(submit, self._now))

    def _forget_letters(self, jobs: Sequence[str]) -> None:
        """What was given up for a file that is gone can be redriven no more."""
        self._transaction.remove_dead_letters(jobs)
        for job in jobs:
            self._draft.letters.pop(job, None)

    def _load_jobs(self, names: Iterable[str]) -> None:
        self._draft.load([name for name in names if name not in self._draft.jobs])


def _goes_on(row: Attachment, entry: FileToAttach) -> bool:
    """Whether a file that is there already need not be indexed again."""
    going = row.status in (Status.IN_PROGRESS, Status.COMPLETED)
    return going and (row.chunk_tokens, row.overlap_tokens) == (entry.chunk_tokens, entry.overlap_tokens)


def _error_of(fault: Fault) -> tuple[str, str]:
    return fault.code if fault.code in FILE_ERRORS else "server_error", fault.message

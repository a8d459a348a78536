"""Vector stores in one batch: what clients ask of them, and how they end.

Invariants: a store that is deleted is there for nobody, one that has expired can only be looked at and deleted; both
are emptied in small transactions. A create under a key that was used for the same before is that one again.
"""

from collections.abc import Iterable, Sequence

from actors.journal.attachments import Attachments
from actors.journal.draft import Draft
from actors.journal.keys import ObjectKeys
from actors.journal.store import Transaction
from actors.journal.vector_rows import VectorRows
from pipelines.changes import Change
from pipelines.commands import Answer, Verdict
from pipelines.jobs import Job
from pipelines.steps import INDEXING
from pipelines.vector_edits import (
    AttachFiles,
    CancelFileBatch,
    CloseRemovals,
    CreateVectorStore,
    DeleteVectorStore,
    DetachFile,
    FileBatch,
    Removal,
    StoreEdit,
    TouchVectorStore,
    UpdateAttributes,
    UpdateVectorStore,
    VectorEdit,
    VectorStore,
)


class VectorStores:
    """One batch's. Call `flush` at its end."""

    def __init__(self, transaction: Transaction, draft: Draft, now: float) -> None:
        self._table = transaction.vectors
        self._rows = VectorRows(transaction.vectors)
        self._keys = ObjectKeys(transaction, now)
        self._attachments = Attachments(transaction, self._rows, draft, now)
        self._now = now

    def load(self, jobs: Iterable[Job]) -> None:
        """Read at once what the ends of these jobs would change."""
        self._rows.load(job.part_of for job in jobs if job.pipeline == INDEXING)

    def flush(self) -> None:
        """Write what has changed."""
        self._rows.flush()

    def settle(self, change: Change) -> None:
        """The job has ended."""
        self._attachments.settle(change)

    def renew(self, job: Job) -> None:
        """This new job does one again that was given up."""
        self._attachments.renew(job)

    def edit(self, command: VectorEdit) -> Answer:
        """Do what a client asks for, or the worker that has carried out removals.

        TERMINAL is the answer about a store that has expired. An unknown part of a known store is the detail. What an
        earlier use of a key has made is named as the job.
        """
        self.flush()  # the queries must see what this batch has done so far
        if isinstance(command, CloseRemovals):
            self._table.drop_removals(command.ids)
            return Answer(Verdict.DONE)
        store = self._rows.store(command.store)
        if isinstance(command, CreateVectorStore):
            return Answer(Verdict.DONE) if store else self._create(command)
        if store is None or store.tenant != command.tenant or store.deleted:
            return Answer(Verdict.UNKNOWN)
        if isinstance(command, DeleteVectorStore):
            self._rows.put_store(store._replace(deleted=True, ends_at=self._now))
            return Answer(Verdict.DONE)
        return Answer(Verdict.TERMINAL) if store.expired(self._now) else self._change(store, command)

    def drop_files(self, files: Sequence[str]) -> None:
        """These files are gone, from every store."""
        self.flush()
        self._attachments.detach(self._table.with_files(files))

    def prune(self, limit: int) -> int:
        """Take so many files out of a store that has ended; `limit`, or 0 where there is no such store any more."""
        self.flush()
        ending = self._table.ending(self._now, 1)
        for store in ending:
            rows = self._table.of_store(store.id, limit)
            self._attachments.detach(rows)
            if len(rows) < limit:
                self._close(store)
        return limit if ending else 0

    def _create(self, command: CreateVectorStore) -> Answer:
        if earlier := self._earlier(command):
            return earlier
        if command.attach is not None and (unknown := self._attachments.unknown(command.attach)):
            return Answer(Verdict.UNKNOWN, detail=unknown)
        names = (command.store, command.tenant, command.name, command.description, command.metadata)
        store = _renewed(VectorStore(*names, command.expires_after_days, self._now, self._now))
        self._rows.put_store(store)
        self._keys.put(command.tenant, command.key, command.store)
        if command.attach is not None:
            self._attachments.attach(store, command.attach)
        return Answer(Verdict.DONE)

    def _change(self, store: VectorStore, command: StoreEdit) -> Answer:
        match command:
            case UpdateVectorStore():
                self._rows.put_store(_renewed(store._replace(**command.changes)))
            case TouchVectorStore():
                self._touch(store)
            case AttachFiles():
                return self._attach(store, command)
            case UpdateAttributes() | DetachFile():
                return self._change_file(command)
            case CancelFileBatch():
                return self._cancel_batch(command)
        return Answer(Verdict.DONE)

    def _attach(self, store: VectorStore, command: AttachFiles) -> Answer:
        if earlier := self._earlier(command):
            return earlier
        if unknown := self._attachments.unknown(command):
            return Answer(Verdict.UNKNOWN, detail=unknown)
        self._touch(store)
        if command.file_batch and self._rows.batch(command.file_batch) is None:
            self._rows.put_batch(FileBatch(command.file_batch, store.tenant, store.id, self._now))
        self._keys.put(command.tenant, command.key, command.file_batch)
        self._attachments.attach(store, command)
        return Answer(Verdict.DONE)

    def _change_file(self, command: UpdateAttributes | DetachFile) -> Answer:
        row = self._table.attachment(command.store, command.file)
        if row is None:
            return Answer(Verdict.UNKNOWN, detail=command.file)
        if isinstance(command, UpdateAttributes):
            self._rows.replace(row, row._replace(attributes=command.attributes))
        else:
            self._attachments.detach([row])
        return Answer(Verdict.DONE)

    def _cancel_batch(self, command: CancelFileBatch) -> Answer:
        batch = self._rows.batch(command.file_batch)
        if batch is None or batch.store != command.store:
            return Answer(Verdict.UNKNOWN, detail=command.file_batch)
        rows = self._table.open_in_batch(batch.id)
        if rows:
            self._rows.put_batch(batch._replace(cancelled=True))
            self._rows.know(rows)
            self._attachments.cancel(rows)
        return Answer(Verdict.DONE)

    def _earlier(self, command: CreateVectorStore | AttachFiles) -> Answer | None:
        """The answer to a key that was used before, while what it has made is there."""
        used = self._keys.used(command.tenant, command.key)
        if command.key is None or used is None or not self._is_there(used.job_id):
            return None
        if used.fingerprint != command.key.fingerprint:
            return Answer(Verdict.CONFLICT)
        own = command.file_batch if isinstance(command, AttachFiles) else command.store
        return Answer(Verdict.DONE, job_id="" if used.job_id == own else used.job_id)

    def _is_there(self, made: str) -> bool:
        store = self._rows.store(made)
        return not store.deleted if store else self._rows.batch(made) is not None

    def _touch(self, store: VectorStore) -> None:
        self._rows.put_store(_renewed(store._replace(last_active_at=self._now)))

    def _close(self, store: VectorStore) -> None:
        """The store has no files any more. Its row stays where it has only expired."""
        self._attachments.leave_index([Removal(store.tenant, store.id)])
        self._table.remove_batches(store.id)
        if store.deleted:
            self._rows.forget_store(store.id)
            self._table.remove_store(store.id)
        elif (row := self._rows.store(store.id)) is not None:
            self._rows.put_store(row._replace(ends_at=None))


def attached_by(command: VectorEdit) -> AttachFiles | None:
    """What it attaches; each file may become a job."""
    attach = command.attach if isinstance(command, CreateVectorStore) else command
    return attach if isinstance(attach, AttachFiles) else None


def _renewed(store: VectorStore) -> VectorStore:
    return store._replace(ends_at=store.expires_at)

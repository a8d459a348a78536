"""Conversations in one batch: edits by clients, and the turns of the jobs that belong to them.

Invariants: at most one open job adds to a conversation; its turn is added in the transaction that completes it; every
payload of an entry is referred to until the conversation is deleted.
"""

from collections import Counter

from actors.journal.draft import Draft
from actors.journal.retention import unlink
from actors.journal.store import Transaction
from pipelines.commands import Answer, Payload, Verdict
from pipelines.edits import (
    AddItems,
    Conversation,
    ConversationEdit,
    CreateConversation,
    DeleteConversation,
    Entry,
    RemoveItem,
    UpdateConversation,
)
from pipelines.jobs import Job, Reference, Status


class Conversations:
    """One batch's."""

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._table = transaction.conversations
        self._now = now
        self._rows: dict[str, Conversation | None] = {}

    def refusal(self, conversation: str, tenant: str, draft: Draft) -> Verdict | None:
        """Why a new job may not add to it; None where it may, or adds to none."""
        if not conversation:
            return None
        row = self._row(conversation)
        if row is None or row.tenant != tenant:
            return Verdict.UNKNOWN
        return Verdict.LOCKED if row.holder and self._is_open(row.holder, draft) else None

    def hold(self, job: Job) -> None:
        """This new job adds to it."""
        if job.conversation and (row := self._row(job.conversation)) is not None:
            self._put(row._replace(holder=job.id))

    def settle(self, job: Job, draft: Draft) -> None:
        """The job has ended; where it has completed it leaves a turn."""
        row = self._row(job.conversation) if job.conversation else None
        if row is None or row.holder != job.id:
            return
        self._put(row._replace(holder=""))
        if job.status is Status.COMPLETED and job.result is not None:
            draft.refer(job.tenant, (job.request, job.result))
            self._table.append(row.id, Entry(job.id, job.request, job.result))

    def edit(self, command: ConversationEdit, draft: Draft) -> Answer:
        """Do what a client asks for."""
        row = self._row(command.conversation)
        if isinstance(command, CreateConversation):
            return self._create(command, row, draft)
        if row is None or row.tenant != command.tenant:
            return Answer(Verdict.UNKNOWN)
        match command:
            case UpdateConversation():
                self._put(row._replace(metadata=command.metadata))
            case DeleteConversation():
                self._delete(row, draft)
            case AddItems():
                self._add(row, command.entry, command.items, draft)
            case RemoveItem():
                self._remove(row, command)
        return Answer(Verdict.DONE)

    def _create(self, command: CreateConversation, row: Conversation | None, draft: Draft) -> Answer:
        if row is None:
            row = Conversation(command.conversation, command.tenant, self._now, command.metadata)
            self._put(row)
            if command.items is not None:
                self._add(row, row.id, command.items, draft)
        return Answer(Verdict.DONE)

    def _delete(self, row: Conversation, draft: Draft) -> None:
        draft.flush()  # what the entries of this batch refer to must be counted before it is released
        counts: Counter[tuple[str, Reference]] = Counter()
        for entry in self._table.entries(row.id):
            counts.update((row.tenant, each) for each in (entry.request, entry.result) if each is not None)
        self._table.remove(row.id)
        self._rows[row.id] = None
        self._transaction.put_errands(list(unlink(self._transaction.release(counts))), self._now)

    def _add(self, row: Conversation, entry: str, items: Payload, draft: Draft) -> None:
        if self._table.entry(row.id, entry) is None:
            draft.keep(row.tenant, items)
            self._table.append(row.id, Entry(entry, items.reference))

    def _remove(self, row: Conversation, command: RemoveItem) -> None:
        entry = self._table.entry(row.id, command.entry)
        if entry is not None and command.item not in entry.removed:
            self._table.change(row.id, entry._replace(removed=(*entry.removed, command.item)))

    def _is_open(self, job_id: str, draft: Draft) -> bool:
        """Whether the job goes on. One that an older version of the code has ended is a holder still."""
        job = draft.jobs.get(job_id) or self._transaction.load([job_id]).get(job_id)
        return job is not None and not job.status.terminal

    def _row(self, conversation: str) -> Conversation | None:
        if conversation not in self._rows:
            self._rows[conversation] = self._table.load(conversation)
        return self._rows[conversation]

    def _put(self, row: Conversation) -> None:
        self._rows[row.id] = row
        self._table.put([row])

"""Conversations in a store: their rows, and the entries of each in the order in which they were added."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from actors.journal.disk import Disk
from actors.stores import Reader, Statements
from pipelines.edits import Conversation, Entry
from pipelines.jobs import Reference, parse_reference


class ConversationReader(Protocol):
    """What has been written."""

    def load(self, conversation: str) -> Conversation | None:
        """Its row."""

    def entries(self, conversation: str) -> list[Entry]:
        """All its entries, oldest first."""


class ConversationTable(ConversationReader, Protocol):
    """The same in a write transaction."""

    def entry(self, conversation: str, entry: str) -> Entry | None:
        """One entry by its id."""

    def put(self, rows: Sequence[Conversation]) -> None:
        """New or changed rows."""

    def remove(self, conversation: str) -> None:
        """Forget a row and its entries."""

    def append(self, conversation: str, entry: Entry) -> None:
        """A new entry, at the end."""

    def change(self, conversation: str, entry: Entry) -> None:
        """Other items of an entry are removed."""


class SqlConversationReader:
    """See `ConversationReader`."""

    def __init__(self, statements: Reader) -> None:
        self._reader = statements

    def load(self, conversation: str) -> Conversation | None:
        """Its row."""
        rows = self._reader.rows("conversation", conversation)
        return Conversation._make(rows[0]) if rows else None

    def entries(self, conversation: str) -> list[Entry]:
        """All its entries."""
        return [_entry(row) for row in self._reader.rows("entries", conversation)]

    def entry(self, conversation: str, entry: str) -> Entry | None:
        """One entry."""
        rows = self._reader.rows("entry", conversation, entry)
        return _entry(rows[0]) if rows else None


class SqlConversations(SqlConversationReader):
    """See `ConversationTable`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def put(self, rows: Sequence[Conversation]) -> None:
        """New or changed rows."""
        self._statements.many("put_conversation", rows)

    def remove(self, conversation: str) -> None:
        """Forget it."""
        for name in ("remove_conversation", "remove_entries"):
            self._statements.many(name, [(conversation,)])

    def append(self, conversation: str, entry: Entry) -> None:
        """A new entry."""
        result = str(entry.result) if entry.result else None
        row = (conversation, entry.id, str(entry.request), result, json.dumps(entry.removed))
        self._statements.many("append_entry", [row])

    def change(self, conversation: str, entry: Entry) -> None:
        """Another entry under the same id."""
        self._statements.many("change_entry", [(json.dumps(entry.removed), conversation, entry.id)])


class MemoryConversations:
    """See `ConversationTable`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self, conversation: str) -> Conversation | None:
        """Its row."""
        return self._disk.conversations.get(conversation)

    def entries(self, conversation: str) -> list[Entry]:
        """All its entries."""
        return list(self._disk.entries.get(conversation, ()))

    def entry(self, conversation: str, entry: str) -> Entry | None:
        """One entry."""
        return next((known for known in self.entries(conversation) if known.id == entry), None)

    def put(self, rows: Sequence[Conversation]) -> None:
        """New or changed rows."""
        self._disk.conversations.update({row.id: row for row in rows})

    def remove(self, conversation: str) -> None:
        """Forget it."""
        self._disk.conversations.pop(conversation, None)
        self._disk.entries.pop(conversation, None)

    def append(self, conversation: str, entry: Entry) -> None:
        """A new entry."""
        self._disk.entries[conversation] = (*self.entries(conversation), entry)

    def change(self, conversation: str, entry: Entry) -> None:
        """Another entry under the same id."""
        entries = self.entries(conversation)
        self._disk.entries[conversation] = tuple(entry if known.id == entry.id else known for known in entries)


def _entry(row: Sequence[Any]) -> Entry:
    entry, request, result, removed = row
    parsed: Reference | None = parse_reference(result) if result else None
    return Entry(entry, parse_reference(request), parsed, tuple(json.loads(removed)))

"""Conversations as clients see them: a row with metadata, and one list of items.

Invariants: another tenant's conversation looks like one that does not exist; an item keeps its id and its place.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from deployments.history.turns import Item, input_of
from deployments.history.views import page
from pipelines.commands import Verdict
from pipelines.edits import (
    AddItems,
    Conversation,
    CreateConversation,
    DeleteConversation,
    Edit,
    Entry,
    RemoveItem,
    UpdateConversation,
)
from pipelines.jobs import Reference
from pipelines.payloads import Request, Result
from pipelines.ports import Ports

ENTRIES_PER_READ = 20


class UnknownConversationError(LookupError):
    """There is no such conversation, or it is another tenant's."""


class UnknownItemError(LookupError):
    """The conversation has no such item."""


class ConversationsApi(Protocol):
    """What ingestion asks of conversations. Items have ids. Raises UnknownConversationError, and see there."""

    async def conversation_create(
        self, tenant: str, items: Sequence[Item], metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """A new conversation."""

    async def conversation(self, tenant: str, conversation_id: str) -> dict[str, Any]:
        """A conversation."""

    async def conversation_update(
        self, tenant: str, conversation_id: str, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """The same with other metadata."""

    async def conversation_delete(self, tenant: str, conversation_id: str) -> dict[str, Any]:
        """Forget it."""

    async def conversation_add(self, tenant: str, conversation_id: str, items: Sequence[Item]) -> dict[str, Any]:
        """Add items; they are the page that is returned."""

    async def conversation_items(
        self, tenant: str, conversation_id: str, after: str | None, limit: int, *, ascending: bool
    ) -> dict[str, Any]:
        """A page of its items. Raises LookupError where the cursor is unknown."""

    async def conversation_item(self, tenant: str, conversation_id: str, item_id: str) -> Item:
        """One of its items. Raises UnknownItemError."""

    async def conversation_remove_item(self, tenant: str, conversation_id: str, item_id: str) -> dict[str, Any]:
        """The conversation without one of its items. Raises UnknownItemError."""

    async def conversation_context(self, tenant: str, conversation_id: str) -> list[Item]:
        """All its items, oldest first."""


class Conversations:
    """See `ConversationsApi`."""

    def __init__(self, *, journal: JournalApi, blobs: Blobs, ports: Ports) -> None:
        self._journal = journal
        self._blobs = blobs
        self._ports = ports

    async def conversation_create(
        self, tenant: str, items: Sequence[Item], metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """A new conversation."""
        conversation_id = self._ports.ids.new("conv", self._journal.home(tenant))
        payload = (await self._blobs.pack_many([(tenant, _encoded(items))]))[0] if items else None
        text = json.dumps(dict(metadata))
        await self._edit(CreateConversation(conversation=conversation_id, tenant=tenant, metadata=text, items=payload))
        return await self.conversation(tenant, conversation_id)

    async def conversation(self, tenant: str, conversation_id: str) -> dict[str, Any]:
        """A conversation."""
        return _view(await self._row(tenant, conversation_id))

    async def conversation_update(
        self, tenant: str, conversation_id: str, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """The same with other metadata."""
        text = json.dumps(dict(metadata))
        await self._edit(UpdateConversation(conversation=conversation_id, tenant=tenant, metadata=text))
        return await self.conversation(tenant, conversation_id)

    async def conversation_delete(self, tenant: str, conversation_id: str) -> dict[str, Any]:
        """Forget it."""
        await self._edit(DeleteConversation(conversation=conversation_id, tenant=tenant))
        return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}

    async def conversation_add(self, tenant: str, conversation_id: str, items: Sequence[Item]) -> dict[str, Any]:
        """Add items."""
        (payload,) = await self._blobs.pack_many([(tenant, _encoded(items))])
        entry = self._ports.ids.new("items", self._journal.home(tenant))
        await self._edit(AddItems(conversation=conversation_id, tenant=tenant, entry=entry, items=payload))
        return page(list(items), len(items))

    async def conversation_items(
        self, tenant: str, conversation_id: str, after: str | None, limit: int, *, ascending: bool
    ) -> dict[str, Any]:
        """A page of its items, each id once: a cursor that leads back would keep its reader for ever."""
        await self._row(tenant, conversation_id)
        shown: list[Item] = []
        passed: set[str] = set()
        begun = after is None
        async with aclosing(self._items(tenant, conversation_id, ascending=ascending)) as found:
            async for _, item in found:
                if begun and item["id"] not in passed:
                    shown.append(item)
                passed.add(item["id"])
                begun = begun or item["id"] == after
                if len(shown) > limit:
                    break
        if not begun:
            raise LookupError(after)
        return page(shown, limit)

    async def conversation_item(self, tenant: str, conversation_id: str, item_id: str) -> Item:
        """One of its items."""
        return (await self._find(tenant, conversation_id, item_id))[1]

    async def conversation_remove_item(self, tenant: str, conversation_id: str, item_id: str) -> dict[str, Any]:
        """The conversation without it."""
        entry, _ = await self._find(tenant, conversation_id, item_id)
        await self._edit(RemoveItem(conversation=conversation_id, tenant=tenant, entry=entry, item=item_id))
        return await self.conversation(tenant, conversation_id)

    async def conversation_context(self, tenant: str, conversation_id: str) -> list[Item]:
        """All its items."""
        await self._row(tenant, conversation_id)
        return [item async for _, item in self._items(tenant, conversation_id, ascending=True)]

    async def _row(self, tenant: str, conversation_id: str) -> Conversation:
        row = await self._journal.conversation(tenant, conversation_id)
        if row is None:
            raise UnknownConversationError(conversation_id)
        return row

    async def _edit(self, edit: Edit) -> None:
        (answer,) = await self._journal.edit([edit])
        if answer.verdict is Verdict.UNKNOWN:
            raise UnknownConversationError(getattr(edit, "conversation", ""))

    async def _find(self, tenant: str, conversation_id: str, item_id: str) -> tuple[str, Item]:
        await self._row(tenant, conversation_id)
        async with aclosing(self._items(tenant, conversation_id, ascending=False)) as found:
            async for entry, item in found:
                if item["id"] == item_id:
                    return entry, item
        raise UnknownItemError(item_id)

    async def _items(self, tenant: str, conversation_id: str, *, ascending: bool) -> AsyncGenerator[tuple[str, Item]]:
        """Each item with its entry's id. Payloads are read as far as they are needed."""
        entries = await self._journal.entries(tenant, conversation_id)
        ordered = entries if ascending else entries[::-1]
        for start in range(0, len(ordered), ENTRIES_PER_READ):
            part = ordered[start : start + ENTRIES_PER_READ]
            payloads = await self._payloads(tenant, part)
            for entry in part:
                items = [item for item in _items_of(entry, payloads) if item["id"] not in entry.removed]
                for item in items if ascending else items[::-1]:
                    yield entry.id, item

    async def _payloads(self, tenant: str, entries: Sequence[Entry]) -> dict[Reference, bytes]:
        references = [each for entry in entries for each in (entry.request, entry.result) if each is not None]
        wanted = list(dict.fromkeys(references))
        data = await self._blobs.get_many([(tenant, reference, None) for reference in wanted])
        return dict(zip(wanted, data, strict=True))


def _items_of(entry: Entry, payloads: Mapping[Reference, bytes]) -> list[Item]:
    if entry.result is None:
        items: list[Item] = json.loads(payloads[entry.request])
        return items
    given = input_of(entry.id, Request.model_validate_json(payloads[entry.request]))
    return [*given, *Result.model_validate_json(payloads[entry.result]).output]


def _encoded(items: Sequence[Item]) -> bytes:
    return json.dumps(list(items)).encode()


def _view(row: Conversation) -> dict[str, Any]:
    metadata = json.loads(row.metadata)
    return {"id": row.id, "object": "conversation", "created_at": int(row.created_at), "metadata": metadata}

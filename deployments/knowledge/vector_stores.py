"""Vector stores as clients see them.

Invariant: another tenant's store looks like one that does not exist; an expired one can only be looked at and deleted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from actors.journal.protocol import JournalApi
from actors.journal.vector_queries import InStore, Question, StoreQuery, StoresQuery, Window
from deployments.file_search import FileSearch
from deployments.knowledge.vector_errors import (
    Missing,
    expired,
    no_encoder,
    refusal,
    unattachable,
    unknown_file,
    unknown_store,
)
from deployments.knowledge.vector_views import list_view, passages_view, store_view
from events.ids import is_id
from pipelines.commands import Key, Verdict
from pipelines.payloads import Passage
from pipelines.ports import Ports
from pipelines.vector_edits import (
    AttachFiles,
    CreateVectorStore,
    DeleteVectorStore,
    FileToAttach,
    StoreEdit,
    UpdateVectorStore,
    VectorStore,
)

T = TypeVar("T")


class KnowledgeApi(Protocol):
    """What is asked of who has the index. It asks the journal which files are there."""

    async def search(self, tenant: str, search: FileSearch) -> list[Passage]:
        """The passages that fit best, best first, in their final order, no more than are wanted.

        Raises RejectError for an unknown or expired store and for malformed filters.
        """

    async def texts(self, tenant: str, store: str, attachment: str) -> list[str]:
        """The text of an indexed file, in parts."""


class NoKnowledge:
    """Where there is no index."""

    async def search(self, _: str, __: FileSearch) -> list[Passage]:
        """Nothing is searched."""
        raise no_encoder()

    async def texts(self, _: str, __: str, ___: str) -> list[str]:
        """Nothing is indexed."""
        raise no_encoder()


class Chunking(NamedTuple):
    """The most tokens of a chunk, and how many of them the next one has too."""

    tokens: int = 800
    overlap: int = 400


class NewFile(NamedTuple):
    """A file that a client wants in a store. `attributes` is JSON."""

    file: str
    attributes: str = "{}"
    chunking: Chunking = Chunking()


class NewStore(NamedTuple):
    """What a client wants. `metadata` is JSON."""

    name: str = ""
    description: str = ""
    metadata: str = "{}"
    expires_after_days: int | None = None
    files: Sequence[NewFile] = ()


class Made(NamedTuple):
    """What a create has made, or an earlier one under the same key had (`replayed`)."""

    view: dict[str, Any]
    replayed: bool


class VectorStores:
    """All that is done with stores, for one process. `encoder` names the model that makes vectors of their texts.

    Where it is "" no files are attached. Raises RejectError, BacklogFullError, StoreUnavailableError.
    """

    def __init__(self, *, journal: JournalApi, knowledge: KnowledgeApi, encoder: str, ports: Ports) -> None:
        self._journal = journal
        self._knowledge = knowledge
        self._encoder = encoder
        self._ports = ports

    def home(self, tenant: str) -> int:
        """The tenant's shard."""
        return self._journal.home(tenant)

    async def create(self, tenant: str, new: NewStore, key: Key | None = None) -> Made:
        """A new store, with files or without."""
        store = self._ports.ids.new("vs", self._journal.home(tenant))
        create = CreateVectorStore(
            store=store,
            tenant=tenant,
            name=new.name,
            description=new.description,
            metadata=new.metadata,
            expires_after_days=new.expires_after_days,
            attach=self.attaching(tenant, store, new.files) if new.files else None,
            key=key,
        )
        earlier = await self.edit(create, missing=unattachable("file_ids"))
        return Made(await self.store(tenant, earlier or store), replayed=bool(earlier))

    async def store(self, tenant: str, store: str) -> dict[str, Any]:
        """A store."""
        row = await self._journal.ask(StoreQuery(tenant, store)) if _is_store(store) else None
        if row is None:
            raise unknown_store(store)
        return self._view(row)

    async def stores(self, tenant: str, window: Window) -> dict[str, Any]:
        """A page of stores. Raises LookupError for a cursor that is no store's."""
        for cursor in (window.after, window.before):
            if cursor and not _is_store(cursor):
                raise LookupError(cursor)
        page = await self._journal.ask(StoresQuery(tenant, window))
        return list_view([self._view(row) for row in page.rows], has_more=page.has_more)

    async def update(self, tenant: str, store: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change its name, metadata (JSON) or expires_after_days."""
        await self.edit(UpdateVectorStore(store=store, tenant=tenant, changes=changes))
        return await self.store(tenant, store)

    async def delete(self, tenant: str, store: str) -> dict[str, Any]:
        """Forget a store; its files stay."""
        await self.edit(DeleteVectorStore(store=store, tenant=tenant))
        return {"id": store, "object": "vector_store.deleted", "deleted": True}

    async def search(self, tenant: str, search: FileSearch) -> dict[str, Any]:
        """What is found."""
        return passages_view(search.queries, await self._knowledge.search(tenant, search))

    async def ask(self, question: Question[InStore[T] | None], store: str) -> T:
        """What is in a store that has not expired."""
        answer = await self._journal.ask(question) if _is_store(store) else None
        if answer is None:
            raise unknown_store(store)
        if answer.store.expired(self._ports.clock.now()):
            raise expired(store)
        return answer.found

    async def edit(self, command: StoreEdit, *, missing: Missing = unknown_file) -> str:
        """Have a store changed; `missing` is raised about an unknown part of it.

        Returns the id of what an earlier use of the command's key has made, "" where it is new.
        """
        if not _is_store(command.store):
            raise unknown_store(command.store)
        (answer,) = await self._journal.edit([command])
        if answer.verdict is not Verdict.DONE:
            raise refusal(answer, command.store, missing)
        return answer.job_id

    def attaching(
        self,
        tenant: str,
        store: str,
        files: Sequence[NewFile],
        *,
        file_batch: str = "",
        priority: int = 0,
        key: Key | None = None,
    ) -> AttachFiles:
        """The command that attaches them, under new ids."""
        if not self._encoder:
            raise no_encoder()
        return AttachFiles(
            store=store,
            tenant=tenant,
            model=self._encoder,
            files=tuple(self._to_attach(tenant, new) for new in files),
            file_batch=file_batch,
            priority=priority,
            key=key,
        )

    def _to_attach(self, tenant: str, new: NewFile) -> FileToAttach:
        ids, home = self._ports.ids, self._journal.home(tenant)
        return FileToAttach(ids.new("vsf", home), ids.new("idx", home), new.file, new.attributes, *new.chunking)

    def _view(self, row: VectorStore) -> dict[str, Any]:
        return store_view(row, self._ports.clock.now())


def _is_store(store: str) -> bool:
    return store.startswith("vs_") and is_id(store)

"""The files of a vector store as clients see them, alone and in batches. A file in a store has the file's own id."""

from collections.abc import Sequence
from typing import Any

from actors.journal.vector_queries import AttachmentQuery, AttachmentsQuery, FileBatchQuery, Window
from deployments.knowledge.vector_errors import unattachable, unknown_batch, unknown_file
from deployments.knowledge.vector_stores import KnowledgeApi, Made, NewFile, VectorStores
from deployments.knowledge.vector_views import batch_view, content_view, file_view, list_view
from pipelines.commands import Key
from pipelines.errors import RejectError
from pipelines.jobs import Status
from pipelines.ports import Ids
from pipelines.vector_edits import Attachment, CancelFileBatch, DetachFile, UpdateAttributes

BULK_PRIORITY = -10  # of the files of a batch: one that is attached alone comes first


class VectorFiles:
    """All that is done with them, for one process. Raises what `VectorStores` raises."""

    def __init__(self, stores: VectorStores, *, knowledge: KnowledgeApi, ids: Ids) -> None:
        self._stores = stores
        self._knowledge = knowledge
        self._ids = ids

    async def attach(self, tenant: str, store: str, new: NewFile) -> dict[str, Any]:
        """Attach a file; it is indexed in the background."""
        attach = self._stores.attaching(tenant, store, [new])
        await self._stores.edit(attach, missing=unattachable("file_id"))
        return await self.file(tenant, store, new.file)

    async def file(self, tenant: str, store: str, file: str) -> dict[str, Any]:
        """A file."""
        return file_view(await self._row(tenant, store, file))

    async def files(
        self, tenant: str, store: str, window: Window, *, status: str = "", file_batch: str = ""
    ) -> dict[str, Any]:
        """A page of a store's files, or of a batch's. Raises LookupError for a cursor that is in no such list."""
        page = await self._stores.ask(AttachmentsQuery(tenant, store, window, file_batch, status), store)
        if page is None:
            raise unknown_batch(file_batch)
        return list_view([file_view(row) for row in page.rows], has_more=page.has_more)

    async def update(self, tenant: str, store: str, file: str, attributes: str) -> dict[str, Any]:
        """Give a file other attributes, which are JSON."""
        change = UpdateAttributes(store=store, tenant=tenant, file=file, attributes=attributes)
        await self._stores.edit(change)
        return await self.file(tenant, store, file)

    async def detach(self, tenant: str, store: str, file: str) -> dict[str, Any]:
        """Take a file out of a store."""
        await self._stores.edit(DetachFile(store=store, tenant=tenant, file=file))
        return {"id": file, "object": "vector_store.file.deleted", "deleted": True}

    async def content(self, tenant: str, store: str, file: str) -> dict[str, Any]:
        """The text of a file, as it is indexed."""
        row = await self._row(tenant, store, file)
        if row.status is not Status.COMPLETED:
            raise RejectError(f"The file is {row.status}.", "invalid_value", "file_id")
        return content_view(await self._knowledge.texts(tenant, store, row.id))

    async def attach_batch(self, tenant: str, store: str, files: Sequence[NewFile], key: Key | None = None) -> Made:
        """Attach many files at once."""
        file_batch = self._ids.new("vsfb", self._stores.home(tenant))
        attach = self._stores.attaching(tenant, store, files, file_batch=file_batch, priority=BULK_PRIORITY, key=key)
        earlier = await self._stores.edit(attach, missing=unattachable("file_ids"))
        return Made(await self.batch(tenant, store, earlier or file_batch), replayed=bool(earlier))

    async def batch(self, tenant: str, store: str, file_batch: str) -> dict[str, Any]:
        """A batch of files."""
        row = await self._stores.ask(FileBatchQuery(tenant, store, file_batch), store)
        if row is None:
            raise unknown_batch(file_batch)
        return batch_view(row)

    async def cancel_batch(self, tenant: str, store: str, file_batch: str) -> dict[str, Any]:
        """Cancel what is not indexed yet of it."""
        cancel = CancelFileBatch(store=store, tenant=tenant, file_batch=file_batch)
        await self._stores.edit(cancel, missing=unknown_batch)
        return await self.batch(tenant, store, file_batch)

    async def _row(self, tenant: str, store: str, file: str) -> Attachment:
        row = await self._stores.ask(AttachmentQuery(tenant, store, file), store)
        if row is None:
            raise unknown_file(file)
        return row

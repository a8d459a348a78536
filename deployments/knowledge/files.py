"""Files as clients see them: a row with a name and a purpose, and a content that never changes.

Invariants: another tenant's file looks like one that does not exist; a file is there with its whole content or not at
all; the content goes through in pieces.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, NamedTuple

from actors.journal.protocol import FileQuery, JournalApi
from actors.objects import Objects
from deployments.history.views import page
from pipelines.commands import Verdict
from pipelines.edits import CompleteFile, DeleteFile, File, ReserveFile
from pipelines.ports import Ids

_ID = re.compile("file-[0-9a-z]{28}")


class UnknownFileError(LookupError):
    """There is no such file, or it is another tenant's."""


class Upload(NamedTuple):
    """What a client sends."""

    filename: str
    purpose: str
    content: AsyncIterable[bytes]
    expires_after_s: float | None = None


class Content(NamedTuple):
    """The pieces of a file, and how many bytes they are."""

    size: int
    pieces: AsyncGenerator[bytes]


class Files:
    """All that is done with files, for one process. Raises UnknownFileError, StoreUnavailableError."""

    def __init__(self, *, journal: JournalApi, objects: Objects, ids: Ids) -> None:
        self._journal = journal
        self._objects = objects
        self._ids = ids

    async def create(self, tenant: str, upload: Upload) -> dict[str, Any]:
        """Store a file; it is on disk when this returns."""
        file = new_file_id(self._ids, self._journal.home(tenant))
        await self._edit(ReserveFile(file=file, tenant=tenant, filename=upload.filename, purpose=upload.purpose))
        size = await self._objects.put(tenant, file, upload.content)
        await self._edit(CompleteFile(file=file, tenant=tenant, size=size, expires_after_s=upload.expires_after_s))
        return await self.file(tenant, file)

    async def file(self, tenant: str, file: str) -> dict[str, Any]:
        """A file."""
        return _view(await self._row(tenant, file))

    async def files(self, query: FileQuery) -> dict[str, Any]:
        """A page of files. Raises LookupError for a cursor that is no file's."""
        if query.after and not _ID.fullmatch(query.after):
            raise LookupError(query.after)
        rows = await self._journal.files(query._replace(limit=query.limit + 1))
        return page([_view(row) for row in rows], query.limit)

    async def content(self, tenant: str, file: str) -> Content:
        """What was uploaded."""
        row = await self._row(tenant, file)
        try:
            return Content(row.size or 0, await self._objects.get(tenant, file))
        except FileNotFoundError:  # deleted in this moment
            raise UnknownFileError(file) from None

    async def delete(self, tenant: str, file: str) -> dict[str, Any]:
        """Forget a file; its content is removed soon."""
        await self._row(tenant, file)
        await self._edit(DeleteFile(file=file, tenant=tenant))
        return {"id": file, "object": "file", "deleted": True}

    async def _row(self, tenant: str, file: str) -> File:
        row = await self._journal.file(tenant, file) if _ID.fullmatch(file) else None
        if row is None:
            raise UnknownFileError(file)
        return row

    async def _edit(self, edit: ReserveFile | CompleteFile | DeleteFile) -> None:
        (answer,) = await self._journal.edit([edit])
        if answer.verdict is not Verdict.DONE:
            raise UnknownFileError(edit.file)


def new_file_id(ids: Ids, shard: int) -> str:
    """An id as OpenAI's clients expect it; it sorts by time."""
    return f"file-{ids.new('file', shard).partition('_')[2]}"


def _view(row: File) -> dict[str, Any]:
    """A file as OpenAI's `FileObject`. Times are Unix seconds."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at),
        "expires_at": None if row.expires_at is None else int(row.expires_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
    }

"""Uploads in parts: a client sends a large file in pieces, several at once, and then names their order.

Invariants: another tenant's upload looks like one that does not exist; an upload becomes one file or none, however
often it is completed; the parts go through in pieces.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from actors.journal.files import UPLOAD_S
from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.knowledge.files import Files, new_file_id
from pipelines.commands import Verdict
from pipelines.edits import (
    CancelUpload,
    CompleteFile,
    CompleteUpload,
    CreateUpload,
    Edit,
    File,
    ReserveFile,
    Upload,
    UploadStatus,
)
from pipelines.errors import RejectError
from pipelines.ports import Ids


class UnknownUploadError(LookupError):
    """There is no such upload, or it is another tenant's."""


class Announced(NamedTuple):
    """What a client is about to send."""

    filename: str
    purpose: str
    size: int
    expires_after_s: float | None


class Uploads:
    """All that is done with them. Raises UnknownUploadError, StoreUnavailableError, RejectError where one has ended."""

    def __init__(self, files: Files, *, journal: JournalApi, objects: Objects, ids: Ids) -> None:
        self._files = files
        self._journal = journal
        self._objects = objects
        self._ids = ids

    async def create(self, tenant: str, file: Announced) -> dict[str, Any]:
        """A new upload; it is pending for an hour."""
        upload = self._ids.new("upload", self._journal.home(tenant))
        await self._edit(CreateUpload(upload=upload, tenant=tenant, **file._asdict()))
        return _view((await self._row(tenant, upload))[0], None)

    async def add_part(self, tenant: str, upload: str, content: AsyncIterable[bytes]) -> dict[str, Any]:
        """Store a part."""
        row, _ = await self._pending(tenant, upload)
        part = self._ids.new("part", self._journal.home(tenant))
        reserve = ReserveFile(file=part, tenant=tenant, filename=row.filename, purpose=row.purpose, upload=upload)
        await self._edit(reserve)
        size = await self._objects.put(tenant, part, content)
        await self._edit(CompleteFile(file=part, tenant=tenant, size=size, expires_after_s=UPLOAD_S))
        made = await self._journal.file(tenant, part)
        if made is None:  # the upload has ended meanwhile
            raise UnknownUploadError(upload)
        return {"id": part, "object": "upload.part", "created_at": int(made.created_at), "upload_id": upload}

    async def complete(self, tenant: str, upload: str, part_ids: Sequence[str], md5: str | None) -> dict[str, Any]:
        """Make a file of these parts, in this order. Raises RejectError where they are not what was announced."""
        row, parts = await self._row(tenant, upload)
        if row.status != UploadStatus.COMPLETED:
            self._check_pending(row)
            await self._assemble(row, _chosen(row, parts, part_ids), md5)
        row, _ = await self._row(tenant, upload)
        if row.status != UploadStatus.COMPLETED:
            raise _over(row)
        return _view(row, await self._files.file(tenant, row.file))

    async def cancel(self, tenant: str, upload: str) -> dict[str, Any]:
        """No part may be added any more."""
        await self._pending(tenant, upload)
        await self._edit(CancelUpload(upload=upload, tenant=tenant))
        row, _ = await self._row(tenant, upload)
        if row.status != UploadStatus.CANCELLED:
            raise _over(row)
        return _view(row, None)

    async def _assemble(self, row: Upload, parts: Sequence[File], md5: str | None) -> None:
        """Each try writes a file of its own, which is there only if it was the first to complete the upload."""
        file, digest = new_file_id(self._ids, self._journal.home(row.tenant)), hashlib.md5(usedforsecurity=False)
        await self._edit(ReserveFile(file=file, tenant=row.tenant, filename=row.filename, purpose=row.purpose))
        async with aclosing(self._joined(parts)) as pieces:
            size = await self._objects.put(row.tenant, file, _hashed(pieces, digest))
        if md5 is not None and digest.hexdigest() != md5.lower():
            raise RejectError("The parts do not have this checksum.", "invalid_value", "md5")
        await self._edit(CompleteUpload(upload=row.id, tenant=row.tenant, file=file, size=size))

    async def _joined(self, parts: Sequence[File]) -> AsyncGenerator[bytes]:
        for part in parts:
            async with aclosing(await self._objects.get(part.tenant, part.id)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _pending(self, tenant: str, upload: str) -> tuple[Upload, list[File]]:
        row, parts = await self._row(tenant, upload)
        self._check_pending(row)
        return row, parts

    def _check_pending(self, row: Upload) -> None:
        if row.status != UploadStatus.PENDING:
            raise _over(row)

    async def _row(self, tenant: str, upload: str) -> tuple[Upload, list[File]]:
        found = await self._journal.upload(tenant, upload)
        if found is None:
            raise UnknownUploadError(upload)
        return found

    async def _edit(self, edit: Edit) -> None:
        (answer,) = await self._journal.edit([edit])
        if answer.verdict is not Verdict.DONE:
            raise UnknownUploadError(getattr(edit, "upload", "") or getattr(edit, "file", ""))


async def _hashed(pieces: AsyncIterable[bytes], digest: Any) -> AsyncGenerator[bytes]:
    async for piece in pieces:
        digest.update(piece)
        yield piece


def _chosen(row: Upload, parts: Sequence[File], part_ids: Sequence[str]) -> list[File]:
    by_id = {part.id: part for part in parts}
    unknown = next((part for part in part_ids if part not in by_id), None)
    if unknown is not None or len(set(part_ids)) != len(part_ids):
        raise RejectError(f"Unknown or repeated part: '{unknown}'.", "invalid_value", "part_ids")
    chosen = [by_id[part] for part in part_ids]
    size = sum(part.size or 0 for part in chosen)
    if size != row.size:
        message = f"The parts have {size} bytes, and {row.size} were announced."
        raise RejectError(message, "invalid_value", "part_ids")
    return chosen


def _over(row: Upload) -> RejectError:
    return RejectError(f"The upload is {row.status}.", "invalid_value")


def _view(row: Upload, file: dict[str, Any] | None) -> dict[str, Any]:
    """An upload as OpenAI's `Upload`. Times are Unix seconds."""
    return {
        "id": row.id,
        "object": "upload",
        "bytes": row.size,
        "created_at": int(row.created_at),
        "expires_at": int(row.expires_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": row.status,
        "file": file,
    }

"""The object storage: contents of files, in a folder or at a URL (`actors/storage.py`), through obstore.

A content is written once under an id that nobody else has, streamed in and out, and never whole in memory. Its row is
in the journal (`actors/journal/files.py`), which also sees to it that nothing stays behind.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from actors.storage import is_remote, open_storage
from actors.stores import StoreUnavailableError

if TYPE_CHECKING:
    from obstore import GetResult  # only its stub has it

CHUNK_BYTES = 1 << 20
PARTS_AT_ONCE = 4  # of an upload, each of five chunks: what one takes in memory
_FAULTS = (BaseError, OSError)


class Objects:
    """Of one process. Raises StoreUnavailableError where the storage is full, fails or does not answer."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._folder = None if is_remote(place) else Path(place)

    @cached_property
    def _store(self) -> ObjectStore:
        """Made when it is first needed: a disk that fails is no reason not to start."""
        return open_storage(self._place)

    async def put(self, tenant: str, file: str, content: AsyncIterable[bytes]) -> int:
        """Store a content; the number of its bytes. When it returns, it is on disk."""
        size = 0

        async def counted() -> AsyncGenerator[bytes]:
            nonlocal size
            async for chunk in content:
                size += len(chunk)
                yield chunk

        path = _path(tenant, file)
        try:
            await obstore.put_async(
                self._store, path, counted(), chunk_size=CHUNK_BYTES * 5, max_concurrency=PARTS_AT_ONCE
            )
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder / path)
        except _FAULTS as error:
            raise StoreUnavailableError(f"objects: {error}", retry_after_s=1.0) from error
        return size

    async def get(self, tenant: str, file: str) -> AsyncGenerator[bytes]:
        """A content in pieces; close it. Raises FileNotFoundError where there is none."""
        try:
            return _pieces(await obstore.get_async(self._store, _path(tenant, file)))
        except FileNotFoundError:
            raise
        except _FAULTS as error:
            raise StoreUnavailableError(f"objects: {error}", retry_after_s=1.0) from error

    async def remove(self, tenant: str, file: str) -> None:
        """Remove a content; none is as good."""
        try:
            await obstore.delete_async(self._store, _path(tenant, file))
        except FileNotFoundError:
            return
        except _FAULTS as error:
            raise StoreUnavailableError(f"objects: {error}", retry_after_s=1.0) from error


async def _pieces(found: "GetResult") -> AsyncGenerator[bytes]:
    try:
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)
    except _FAULTS as error:
        raise StoreUnavailableError(f"objects: {error}", retry_after_s=1.0) from error


def _path(tenant: str, file: str) -> str:
    return f"{hashlib.sha256(tenant.encode()).hexdigest()[:16]}/{file}"  # a tenant's name may hold any character


def _sync(path: Path) -> None:
    """Returns when a file and its names would survive a loss of power."""
    for each in (path, path.parent, path.parent.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

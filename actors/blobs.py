"""The claim check: payloads are kept apart and events carry references.

A payload is keyed by its tenant and hash. Up to `INLINE_BYTES` it travels inside the command and lives in the
journal's own table, in the transaction that refers to it; a larger one is a file that is on disk before the
reference leaves this process. It is the one store that all services share. The key of a small one begins with the
time (docs/decisions/010-timed-keys.md).
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from actors.journal.protocol import JournalApi
from actors.stores import StoreUnavailableError
from pipelines.commands import INLINE_BYTES, Payload
from pipelines.jobs import Reference, reference_of, timed_reference_of
from pipelines.ports import Clock


class Blobs:
    """Packs and fetches payloads for one process."""

    def __init__(self, journal: JournalApi, folder: Path, clock: Clock) -> None:
        self._journal = journal
        self._folder = folder
        self._clock = clock

    async def pack_many(self, items: Sequence[tuple[str, bytes]]) -> list[Payload]:
        """References for (tenant, bytes); when it returns, large ones are on disk.

        Raises StoreUnavailableError where the disk is full or fails.
        """
        now = self._clock.now()
        payloads = [_payload(data, now) for _, data in items]
        large = [
            (self._path(tenant, payload.reference), data)
            for (tenant, data), payload in zip(items, payloads, strict=True)
            if payload.data is None
        ]
        if large:
            try:
                await asyncio.to_thread(self._write, large)
            except OSError as error:
                raise StoreUnavailableError(f"payloads: {error}", retry_after_s=1.0) from error
        return payloads

    async def get_many(self, items: Sequence[tuple[str, Reference, bytes | None]]) -> list[bytes]:
        """The bytes for (tenant, reference, bytes if already at hand). Raises LookupError for what is not there."""
        found = [data for _, _, data in items]
        inline: dict[str, list[int]] = {}  # places by tenant
        for i in [i for i, data in enumerate(found) if data is None]:
            tenant, reference, _ = items[i]
            if reference.size > INLINE_BYTES:
                found[i] = await asyncio.to_thread(self._read, self._path(tenant, reference))
            else:
                inline.setdefault(tenant, []).append(i)
        for tenant, places in inline.items():
            answer = await self._journal.blobs(tenant, [items[i][1] for i in places])
            for i, data in zip(places, answer, strict=True):
                found[i] = data
        if any(data is None for data in found):
            raise LookupError("a payload is gone")
        return [data for data in found if data is not None]

    def _path(self, tenant: str, reference: Reference) -> Path:
        return _path(self._folder, tenant, reference.hash)

    def _write(self, files: list[tuple[Path, bytes]]) -> None:
        for path, data in files:
            with suppress(FileNotFoundError):
                os.utime(path)  # touched on put: what is about to be removed is spared
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.{id(data)}")
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        for folder in {path.parent for path, _ in files}:
            _sync_folder(folder)

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


async def unlink_blobs(folder: Path, blobs: Sequence[tuple[str, str]], *, untouched_since: float) -> list[bool]:
    """Remove files by (tenant, hash); false for one that was touched since: a new job may be about to refer to it."""
    paths = [_path(folder, tenant, digest) for tenant, digest in blobs]
    return await asyncio.to_thread(lambda: [_unlink(path, untouched_since) for path in paths])


def _path(folder: Path, tenant: str, digest: str) -> Path:
    owner = hashlib.sha256(tenant.encode()).hexdigest()[:16]  # a tenant's name may hold any character
    return folder / owner / digest[:2] / digest


def _unlink(path: Path, untouched_since: float) -> bool:
    """Set the file aside before the last look at its time: who touches it after that finds none, and writes it anew."""
    aside = path.with_name(f".{path.name}.aside")
    with suppress(FileNotFoundError):
        if path.stat().st_mtime >= untouched_since:
            return False
        path.replace(aside)
    with suppress(FileNotFoundError):  # also one that was left aside by a crash
        if aside.stat().st_mtime >= untouched_since:
            aside.replace(path)
            return False
        aside.unlink()
    return True


def _payload(data: bytes, now: float) -> Payload:
    if len(data) > INLINE_BYTES:
        return Payload(reference_of(data), None)
    return Payload(timed_reference_of(data, now), data)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

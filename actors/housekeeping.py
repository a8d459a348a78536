"""Removes what is kept no longer, runs the journal's errands, ends batches early: the dispatcher's slow loops.

Finished jobs go in small transactions with pauses that grow with the time which each took, so that submits go between.
Whatever is cut short is begun again: the journal knows what is too old, and an errand is closed only once it was run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from actors.blobs import unlink_blobs
from actors.journal.errands import Errand, ErrandKind
from actors.journal.journal import Journal
from actors.objects import Objects
from actors.stores import StoreUnavailableError
from actors.token_log.protocol import TokenLogApi
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
JOBS_PER_CHUNK = 100
ERRANDS_PER_CALL = 500
LINES_PER_CHUNK = 500
LOOK_S = 0.5
REST = 6.0  # pause after a chunk, in times of what the chunk took
IDLE_S = 5.0
DAY_S = 86400.0  # a file that was touched within it is left alone


class Housekeeping:
    """Keeps one journal small."""

    def __init__(self, journal: Journal, token_log: TokenLogApi, ports: Ports) -> None:
        self._journal = journal
        self._token_log = token_log
        self._ports = ports
        self._runners: dict[ErrandKind, Callable[[Sequence[Errand]], Awaitable[list[bool]]]] = {
            ErrandKind.FORGET_LOG: self._forget_logs,
            ErrandKind.UNLINK_BLOB: self._unlink_blobs,
            ErrandKind.REMOVE_OBJECT: self._remove_objects,
        }

    async def prune(self) -> None:
        """Remove one chunk, then rest."""
        started = self._ports.clock.monotonic()
        more = await self._journal.prune(JOBS_PER_CHUNK)
        took_s = self._ports.clock.monotonic() - started
        await self._ports.sleep(took_s * REST if more else IDLE_S)

    async def wind_down(self) -> None:
        """End some lines of a batch that is to end early, or rest where there is none."""
        if not await self._journal.wind_down(LINES_PER_CHUNK):
            await self._ports.sleep(LOOK_S)

    async def run_errands(self) -> None:
        """Run what is due, or rest where nothing is."""
        errands = await self._journal.errands(ERRANDS_PER_CALL)
        for kind in dict.fromkeys(errand.kind for errand in errands):
            group = [errand for errand in errands if errand.kind == kind]
            ran = dict(zip(group, await self._runners[kind](group), strict=True))
            done, left = ([errand for errand in group if ran[errand] is state] for state in (True, False))
            await self._journal.close_errands(done, left, DAY_S)
        if not errands:
            await self._ports.sleep(IDLE_S)

    async def _forget_logs(self, errands: Sequence[Errand]) -> list[bool]:
        await self._token_log.forget([errand.subject for errand in errands])
        return [True] * len(errands)

    async def _unlink_blobs(self, errands: Sequence[Errand]) -> list[bool]:
        """A file goes unless a job refers to it again, which is no errand any more, or may be about to."""
        subjects: dict[str, list[str]] = {}
        for errand in errands:
            subjects.setdefault(errand.tenant, []).append(errand.subject)
        referred = {tenant: await self._journal.referred(tenant, digests) for tenant, digests in subjects.items()}
        free = [errand for errand in errands if errand.subject not in referred[errand.tenant]]
        since = self._ports.clock.now() - DAY_S
        folder = Path((await self._journal.info()).places.blobs)
        gone = await unlink_blobs(folder, [(errand.tenant, errand.subject) for errand in free], untouched_since=since)
        spared = {errand for errand, went in zip(free, gone, strict=True) if not went}
        return [errand not in spared for errand in errands]

    async def _remove_objects(self, errands: Sequence[Errand]) -> list[bool]:
        """What does not go now goes tomorrow."""
        objects = Objects((await self._journal.info()).places.objects)
        return list(await asyncio.gather(*(_removed(objects, errand) for errand in errands)))


async def _removed(objects: Objects, errand: Errand) -> bool:
    try:
        await objects.remove(errand.tenant, errand.subject)
    except StoreUnavailableError:
        log.exception("an object could not be removed", extra={"file": errand.subject})
        return False
    return True

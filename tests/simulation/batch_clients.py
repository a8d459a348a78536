"""Clients of batches in a simulated world: each uploads a file, has it done, looks, reads, and perhaps cancels."""

import asyncio
from contextlib import suppress

from pipelines.batch_edits import BatchStatus
from tests.simulation.batch_wishes import BatchWish
from tests.simulation.clients import Caller
from tests.simulation.record import BatchStory

EARLY = 0.3  # looks at a batch that runs after which its files are read, too


class BatchClient(Caller[BatchWish]):
    """One client and its one batch."""

    async def _live(self) -> None:
        await asyncio.sleep(self._random.random() * 3)
        file = await self._call("batches", "upload", self._wish.content)
        self._record.inputs[file] = self._wish
        batch, *_ = await asyncio.gather(*(self._create(file) for _ in range(self._wish.copies)))
        story = BatchStory(batch)
        self._record.batches.append(story)
        await asyncio.gather(self._watch(story), self._cancel(story))
        if self._wish.key:
            await self._create(file)
        await self._read(story)

    async def _create(self, file: str) -> str:
        batch: str = await self._call("batches", "create", file, self._wish)
        if self._wish.key:
            self._record.keyed.append((self._wish.key, batch))
        return batch

    async def _watch(self, story: BatchStory) -> None:
        while not (story.seen and BatchStatus(story.seen[-1]["status"]).terminal):
            await asyncio.sleep(0.2 + 2 * self._random.random())
            story.seen.append(await self._call("batches", "batch", story.id))
            if self._random.random() < EARLY:
                await self._look_into(story)

    async def _look_into(self, story: BatchStory) -> None:
        for name in story.named():
            with suppress(Exception):  # it reads again later
                story.early.append((name, await self._once("batches", "content", name)))

    async def _cancel(self, story: BatchStory) -> None:
        if not self._wish.cancels:
            return
        await asyncio.sleep(self._random.random() * 6)
        with suppress(Exception):  # nobody knows
            status = await self._once("batches", "cancel", story.id)
            story.cancelled = not BatchStatus(status).terminal

    async def _read(self, story: BatchStory) -> None:
        for name in story.named():
            story.files[name] = await self._call("batches", "content", name)

"""Clients of vector stores in a simulated world: each attaches files, thinks better of some, and waits for the rest."""

import asyncio

from tests.simulation.clients import Caller
from tests.simulation.index_wishes import StoreWish
from tests.simulation.indexing import CHUNKING, OTHER_CHUNKING
from tests.simulation.record import StoreStory


class StoreClient(Caller[StoreWish]):
    """One client and its one store."""

    async def _live(self) -> None:
        await asyncio.sleep(self._random.random() * 3)
        files = [await self._upload(number) for number in range(len(self._wish.files))]
        first, rest = files[: self._wish.at_once], files[self._wish.at_once :]
        store = await self._call("stores", "create", first)
        story = StoreStory(store)
        self._record.stores.append(story)
        batches = [await self._call("stores", "attach", store, rest, CHUNKING)] if rest else []
        for pause_s, deed, number in self._wish.deeds:
            await asyncio.sleep(pause_s)
            await self._do(deed, story, files[number], batches)
        await self._wait(store)
        if self._wish.deletes:
            await self._call("stores", "remove", store)
            story.deleted = True

    async def _upload(self, number: int) -> str:
        wish = self._wish.files[number]
        file: str = await self._call("stores", "upload", wish.name, wish.content)
        self._record.uploads[file] = wish
        return file

    async def _do(self, deed: str, story: StoreStory, file: str, batches: list[str]) -> None:
        match deed:
            case "detach":
                await self._call("stores", "detach", story.id, file)
            case "delete":
                await self._call("stores", "delete", file)
                self._record.deleted.append(file)
            case "attach":
                await self._call("stores", "attach", story.id, [file], CHUNKING)
            case "recut":
                await self._call("stores", "attach", story.id, [file], OTHER_CHUNKING)
            case "cancel" if batches:
                await self._call("stores", "cancel", story.id, batches[0])

    async def _wait(self, store: str) -> None:
        while "in_progress" in (await self._call("stores", "look", store)).values():
            await asyncio.sleep(0.2 + 2 * self._random.random())

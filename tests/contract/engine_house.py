"""The monolith around an engine that runs already, over HTTP without a socket, for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from configs.profiles import ModelProfile
from configs.settings import MonolithSettings
from deployments.engines.protocol import Engine
from deployments.monolith import Monolith
from tests.asgi_socket import AsgiSocket
from tests.logging_kept import kept_logging


class EngineHouse(Monolith):
    """`http` speaks to it; the engine is another's, and is left running."""

    def __init__(self, folder: Path, engine: Engine, *, model: str, slots: int) -> None:
        super().__init__(MonolithSettings(models=[model], data=str(folder)))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://heliograph")
        self._engine = engine
        self._model = model
        self._slots = slots

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, engine: Engine, *, model: str, slots: int) -> AsyncIterator[Self]:
        with kept_logging():
            house = cls(folder, engine, model=model, slots=slots)
            await house.start()
            try:
                yield house
            finally:
                await house.http.aclose()
                await house.stop()

    async def submit(self, prompt: str) -> str:
        body = {"model": self._model, "prompt": prompt, "max_output_tokens": 1500, "temperature": 0}
        reply = await self.http.post("/async-generate", json=body)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["job_id"])

    async def cancel(self, job_id: str) -> None:
        reply = await self.http.post(f"/jobs/{job_id}/cancel")
        assert reply.json()["status"] == "cancelled", reply.text

    async def get(self, path: str) -> Any:
        reply = await self.http.get(path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def events(self, job_id: str) -> list[str]:
        return [event["type"] for event in (await self.get(f"/jobs/{job_id}/events"))["data"]]

    async def rendered(self, job_id: str) -> None:
        """Returns when the job waits for the engine."""
        async with asyncio.timeout(60):
            while "PromptRendered" not in await self.events(job_id):
                await asyncio.sleep(0.01)

    async def token(self, job_id: str) -> None:
        """Returns when the job has a first token."""
        async with AsgiSocket(self.app, f"/jobs/{job_id}/stream") as socket:
            while (frame := await socket.next()) is not None and frame["type"] != "token":
                pass
            assert frame is not None

    async def frames(self, job_id: str) -> list[dict[str, Any]]:
        """The stream to its end."""
        async with AsgiSocket(self.app, f"/jobs/{job_id}/stream") as socket:
            return await socket.frames()

    async def _start_model(self, profile: ModelProfile) -> None:
        await self._employ(profile.model_copy(update={"slots": self._slots}), self._engine)

"""The workers that a batch needs, on the in-memory parts of a `House`, moved by hand."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from openai import AsyncOpenAI
from openai.types import Batch

from deployments.batching.embedding import EmbeddingLines
from deployments.batching.finalization import Finalizer
from deployments.batching.line_jobs import LineJobs
from deployments.batching.lines import LineDoor
from deployments.batching.readout import Readout
from deployments.batching.validation import Validator
from deployments.batching.worker import BatchWorker
from deployments.inference.worker import InferenceWorker
from deployments.ingestion.resolver import Resolver
from pipelines.jobs import ClaimedJob
from pipelines.steps import BATCHING_TOPIC, EMBEDDING_TOPIC, line_topic
from tests.factories import claim, make_ports
from tests.ingestion_house import House, renderer

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
PATIENCE_S = 20


class Crew:
    """One worker of each kind, each with its jobs only when it is told to."""

    def __init__(self, house: House) -> None:
        self.journal = house.journal
        self.ports = make_ports()
        self.sdk: AsyncOpenAI = house.sdk()
        parts: dict[str, Any] = {"journal": house.journal, "objects": house.objects}
        models = house.service.models
        line_jobs = LineJobs(blobs=house.blobs, renderer=renderer(), models=models, clock=self.ports.clock)
        door = LineDoor(models, house.encoder_cards, Resolver(house.service.history, self.ports.ids))
        validator = Validator(line_jobs, **parts, door=door, ports=self.ports)
        finalizer = Finalizer(Readout(house.journal, house.blobs), **parts)
        lines = EmbeddingLines(house.encoders, journal=house.journal, blobs=house.blobs, ports=self.ports)
        self.batching = BatchWorker(validator, finalizer, lines, slots=4, journal=house.journal, ports=self.ports)
        self.inference = InferenceWorker(
            model="scripted",
            engine=house.engine,
            slots=64,
            journal=house.journal,
            token_log=house.token_log,
            blobs=house.blobs,
            ports=self.ports,
            on_engine_death=lambda: None,
        )

    async def upload(self, lines: Iterable[dict[str, Any] | str], name: str = "lines.jsonl") -> str:
        """A file with these lines; its id."""
        text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
        return (await self.sdk.files.create(file=(name, text.encode()), purpose="batch")).id

    async def create(self, lines: Sequence[dict[str, Any] | str], endpoint: Any = CHAT, **fields: Any) -> Batch:
        """A batch of these lines."""
        file = await self.upload(lines)
        fields = {"completion_window": "24h", **fields}
        return await self.sdk.batches.create(input_file_id=file, endpoint=endpoint, **fields)

    async def do(self, lines: Sequence[dict[str, Any] | str], endpoint: Any = CHAT, **fields: Any) -> Batch:
        """The same, worked on until there is nothing left to do."""
        made = await self.create(lines, endpoint, **fields)
        while await self.work():
            pass
        return await self.sdk.batches.retrieve(made.id)

    async def work(self) -> int:
        """All that is ready now; how many jobs that were."""
        return await self.batch_work() + await self.line_work() + await self.embedding_work()

    async def batch_work(self) -> int:
        """The jobs of the batches themselves."""
        claims = await self.claims(BATCHING_TOPIC)
        if claims:
            await self.batching.handle(claims)
        async with asyncio.timeout(PATIENCE_S):
            while self.batching.held():
                await self.batching.wait_for_slot()
        return len(claims)

    async def line_work(self, most: int = 64) -> int:
        """At most so many lines."""
        claims = await self.claims(line_topic("scripted"), most)
        await self.inference.handle(claims)
        async with asyncio.timeout(PATIENCE_S):
            while self.inference.held():
                await self.inference.slots.freed()
        return len(claims)

    async def embedding_work(self) -> int:
        """Lines that want vectors."""
        claims = await self.claims(EMBEDDING_TOPIC)
        if claims:
            await self.batching.handle(claims)
        return len(claims)

    async def claims(self, topic: str, most: int = 64) -> list[ClaimedJob]:
        return await self.journal.claim(claim(topic, claim_id=self.ports.ids.new("claim"), slots=most))

    async def lines(self, file: str | None) -> list[dict[str, Any]]:
        """What a file says, parsed; [] for none."""
        if file is None:
            return []
        content = await self.sdk.files.content(file)
        return [json.loads(line) for line in content.text.splitlines()]


def chat_line(custom_id: str, text: str = "Hi", **body: Any) -> dict[str, Any]:
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


def line(custom_id: str, url: str, **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "scripted", **body}}

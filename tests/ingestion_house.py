"""Ingestion on in-memory parts, and a hand that moves its jobs on, for tests."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import httpx2
from openai import AsyncOpenAI

from actors.blobs import Blobs
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.limits import DEFAULT_LIMITS, Limits
from actors.journal.memory import MemoryStore
from actors.journal.store import Store as JournalStore
from actors.objects import Objects
from actors.system import SystemClock
from actors.token_log.memory import Disk as TokenDisk
from actors.token_log.memory import MemoryTokenStore
from actors.token_log.protocol import Append, SealRequest
from actors.token_log.store import Store as TokenStore
from actors.token_log.token_log import TokenLog
from deployments.engines.scripted import ScriptedEngine
from deployments.history.history import History
from deployments.history.responses import item_object
from deployments.inference.direct import DirectApi, DirectLane
from deployments.inference.language import EngineLanguage, Interpreters
from deployments.inference.slots import Slots
from deployments.ingestion.app import create_app
from deployments.ingestion.cards import EncoderCard, ModelCard
from deployments.ingestion.direct import DirectService
from deployments.ingestion.door import Call
from deployments.ingestion.embedding_service import EmbeddingService
from deployments.ingestion.service import IngestionService
from deployments.knowledge.encoding import EncoderApi
from deployments.knowledge.indexing_worker import IndexingWorker
from deployments.knowledge.library import Library, open_library
from deployments.knowledge.vector_stores import NoKnowledge
from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import WordCounter
from events.v1.tokens_pb2 import Chunk
from pipelines.commands import Failed, Generated, Outcome, Remedy, Rendered
from pipelines.composer import Composer
from pipelines.jobs import ClaimedJob, Fault, Status, Usage
from pipelines.operations import Piece, span
from pipelines.payloads import Message, Request, Result
from pipelines.ports import Metrics, Ports
from pipelines.steps import INDEXING_TOPIC
from tests.encoders import DIMENSIONS, WordEncoder
from tests.factories import INFERENCE, PROMPTING, ManualClock, claim, finish, make_ports, rendered
from tests.scripted_knowledge import ScriptedKnowledge
from tests.token_logs import TextComposer

CONFIGS = Path(__file__).parents[1] / "configs"
CONTEXT = 1000
PATIENCE_S = 10
ENCODER = "words"
SLOTS = 2  # of the direct lane, and of the indexer


def renderer() -> PromptRenderer:
    """Prompting's part, for the scripted model: a token is a word."""
    model = PromptModel(context=CONTEXT, default_max_output_tokens=16, tokenizer=WordCounter())
    return PromptRenderer(templates=Templates(CONFIGS / "prompts"), models={"scripted": model})


class AheadClock(SystemClock):
    """The machine's clock, and so many seconds more."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


class House:
    """The parts. `client` speaks HTTP to the application without a socket."""

    def __init__(
        self,
        folder: Path,
        *,
        tenants: Mapping[str, str] | None = None,
        body_limit: int = 100_000,
        file_limit: int = 4_000_000,
        journal: type[Journal] = Journal,
        token_log: type[TokenLog] = TokenLog,
        stores: tuple[JournalStore, TokenStore] | None = None,
        metrics: Metrics | None = None,
        encoder: str = "scripted",
        limits: Limits = DEFAULT_LIMITS,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = AheadClock()
        ports = make_ports()
        ports = replace(ports, clock=clock or self.clock, metrics=metrics or ports.metrics)
        journal_store, token_store = stores or (MemoryStore(Disk(uuid="one")), MemoryTokenStore(TokenDisk(uuid="two")))
        self.journal = journal(journal_store, ports=ports, limits=limits)
        self.token_log = token_log(token_store, ports=ports)
        self.blobs = Blobs(self.journal, folder, ports.clock)
        self.service = IngestionService(
            journal=self.journal,
            token_log=self.token_log,
            blobs=self.blobs,
            history=History(
                journal=self.journal,
                token_log=self.token_log,
                blobs=self.blobs,
                ports=ports,
                templates=Templates(CONFIGS / "prompts"),
            ),
            renderer=renderer(),
            models={"scripted": ModelCard(name="scripted", context=CONTEXT, default_max_output_tokens=16)},
            ports=ports,
        )
        self.objects = Objects(str(folder / "files"))
        self.engine = ScriptedEngine()
        self.slots = Slots(SLOTS, model="scripted", metrics=ports.metrics, clock=ports.clock, queue=1)
        lane = DirectLane(
            model="scripted",
            engine=self.engine,
            interpreters=Interpreters(EngineLanguage(self.engine)),
            slots=self.slots,
            ports=ports,
            on_engine_death=lambda: None,
        )
        self.lanes: dict[str, DirectApi] = {"scripted": lane}
        direct = DirectService(lanes=self.lanes, models=self.service.models, renderer=renderer(), ports=ports)
        self.encoders: dict[str, EncoderApi] = {ENCODER: WordEncoder()}
        card = EncoderCard(name=ENCODER, dimensions=DIMENSIONS, tokenizer=WordEncoder())
        self.encoder_cards = {ENCODER: card}
        self.app = create_app(
            self.service,
            direct,
            self._library(encoder, ports),
            EmbeddingService(cards=self.encoder_cards, encoders=self.encoders, models=self.service.models, ports=ports),
            ports=ports,
            tenants=tenants,
            body_limit=body_limit,
            file_limit=file_limit,
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://house")
        self.composers: dict[str, TextComposer] = {}

    def _library(self, encoder: str, ports: Ports) -> Library:
        self.knowledge = ScriptedKnowledge(self.journal, self.objects, ports)
        self.indexing = IndexingWorker(self.knowledge, slots=SLOTS, journal=self.journal, blobs=self.blobs, ports=ports)
        return open_library(
            journal=self.journal,
            objects=self.objects,
            blobs=self.blobs,
            knowledge=self.knowledge if encoder else NoKnowledge(),
            encoder=encoder,
            ports=ports,
        )

    def sdk(self, *, strict: bool = True) -> AsyncOpenAI:
        """The real client on the application without a socket."""
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        return AsyncOpenAI(
            base_url="http://house/v1",
            api_key="none",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport),
            _strict_response_validation=strict,
        )

    async def post(self, **body: Any) -> str:
        """Submit; the job's id."""
        reply = await self.client.post("/async-generate", json={"model": "scripted", "prompt": "Hi", **body})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["job_id"])

    async def accept(self, *, background: bool = True) -> str:
        """Submit without HTTP; the job's id."""
        request = Request(model="scripted", messages=[Message(role="user", content="Hi")], background=background)
        return (await self.service.accept(request, Call(tenant="default", size=2))).job_id

    async def render(self) -> None:
        """Take all jobs through their first step."""
        for job in await self._claim(PROMPTING):
            await self.outcome(job, rendered())

    async def start(self) -> ClaimedJob:
        """Claim the one job that waits for inference."""
        await self.render()
        (job,) = await self._claim(INFERENCE)
        return job

    async def next_job(self) -> ClaimedJob:
        """The same once there is one: while its client waits for the response."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self.render()
                if jobs := await self._claim(INFERENCE):
                    return jobs[0]
                await asyncio.sleep(0)

    async def write(self, job: ClaimedJob, texts: Sequence[str]) -> None:
        """Log some text, each piece a token."""
        composer = self.composers.setdefault(job.job_id, TextComposer(job.job_id))
        operations = composer.begin()
        for text in texts:
            operations += composer.delta(text)
        await self._append(job, Chunk(operations=operations))

    async def say(self, job: ClaimedJob, *pieces: Piece) -> None:
        """Log items of any kind."""
        composer = self.composers.setdefault(job.job_id, TextComposer(job.job_id))
        operations = Composer.begin(composer)
        for piece in pieces:
            operations += composer.say(piece)
        await self._append(job, Chunk(operations=operations))

    async def complete(self, job: ClaimedJob, status: Status = Status.COMPLETED) -> None:
        """End a job that has written something."""
        composer = self.composers[job.job_id]
        await self._append(job, Chunk(operations=composer.close(status), finish_reason="stop"))
        output = [item_object(item) for item in composer.items]
        usage = Usage(input_tokens=3, output_tokens=2)
        result = Result(output=output, usage=usage, finish_reason="stop", engine_fingerprint="words")
        (payload,) = await self.blobs.pack_many([(job.tenant, result.encode())])
        reason = "stop" if status is Status.COMPLETED else "length"
        end = composer.next_sequence - 1
        await self.outcome(job, Generated(result=payload, status=status, usage=usage, finish_reason=reason, end=end))

    async def run(self, **body: Any) -> str:
        """A whole job, as its id."""
        job_id = await self.post(**body)
        job = await self.start()
        await self.write(job, ["Hello", " there"])
        await self.complete(job)
        await self.seal()
        return job_id

    async def reject(self, job: ClaimedJob, code: str = "context_length_exceeded") -> None:
        """Fail a job for its input."""
        await self.outcome(job, Failed(fault=Fault(code, "no good"), remedy=Remedy.REJECT))

    async def seal(self) -> None:
        """What the dispatcher does after a commit."""
        for job in await self.journal.unsealed(100):
            request = SealRequest(job_id=job.id, status=job.status, fault=job.fault, end=job.end)
            await self.token_log.seal([request])
            await self.journal.mark_sealed([job.id])

    async def index(self) -> None:
        """Take all files that wait through the indexer."""
        while claims := await self.claim_files():
            await self.indexing.handle(claims)
            async with asyncio.timeout(PATIENCE_S):
                while self.indexing.held():
                    await self.indexing.wait_for_slot()

    async def claim_files(self) -> list[ClaimedJob]:
        """Those that wait for the indexer."""
        return await self._claim(INDEXING_TOPIC)

    async def outcome(self, job: ClaimedJob, outcome: Outcome | Rendered) -> None:
        """Report an outcome."""
        await self.journal.finish([finish(job, outcome)])

    async def close(self) -> None:
        await self.client.aclose()
        await self.service.close()

    async def _claim(self, topic: str) -> list[ClaimedJob]:
        return await self.journal.claim(claim(topic, claim_id=make_ports().ids.new("claim")))

    async def _append(self, job: ClaimedJob, chunk: Chunk) -> None:
        sequence, following = span(chunk.operations)
        await self.token_log.open([(job.job_id, job.fence)])
        append = Append(
            job_id=job.job_id,
            fence=job.fence,
            sequence=sequence,
            next_sequence=following,
            chunk=chunk.SerializeToString(),
        )
        await self.token_log.append([append])

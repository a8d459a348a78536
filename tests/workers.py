"""An inference worker and a prompt worker on in-memory parts, and the steps between them, for tests."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.blobs import Blobs
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.telemetry.metrics import RecordedMetrics
from actors.token_log.memory import Disk as TokenDisk
from actors.token_log.memory import MemoryTokenStore
from actors.token_log.protocol import Logged
from actors.token_log.token_log import TokenLog
from deployments.engines.protocol import Engine
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.language import Interpreters
from deployments.inference.worker import InferenceWorker
from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import WordCounter
from deployments.prompting.worker import PromptWorker
from pipelines.commands import Rendered
from pipelines.jobs import ClaimedJob, Job
from pipelines.operations import LogState, replay
from pipelines.payloads import Message, Prompt, Request, Result
from tests.factories import INFERENCE, PROMPTING, ManualClock, claim, finish, job_id, make_ports, submit

CONTEXT = 1000


class Workshop:
    """Journal, token log and blobs, with both workers on them."""

    def __init__(
        self, folder: Path, *, engine: Engine | None = None, slots: int = 8, journal: type[Journal] = Journal
    ) -> None:
        self.metrics, self.journal_metrics = RecordedMetrics(), RecordedMetrics()
        self.clock = ManualClock()
        self.ports = replace(make_ports(), metrics=self.metrics)
        self.slots = slots
        self.journal = journal(
            MemoryStore(Disk(uuid="one")), ports=replace(make_ports(self.clock), metrics=self.journal_metrics)
        )
        self.token_log = TokenLog(MemoryTokenStore(TokenDisk(uuid="two")), ports=make_ports())
        self.blobs = Blobs(self.journal, folder, self.clock)
        self.deaths: list[str] = []
        self.worker = self.make_worker(engine or ScriptedEngine())
        self.prompting = self.make_prompting(folder)

    def make_worker(self, engine: Engine, interpreters: Interpreters | None = None) -> InferenceWorker:
        return InferenceWorker(
            model="scripted",
            engine=engine,
            slots=self.slots,
            journal=self.journal,
            token_log=self.token_log,
            blobs=self.blobs,
            ports=self.ports,
            on_engine_death=lambda: self.deaths.append("dead"),
            interpreters=interpreters,
        )

    def make_prompting(self, folder: Path) -> PromptWorker:
        (folder / "greet.yaml").write_text(GREET)
        model = PromptModel(context=CONTEXT, default_max_output_tokens=16, tokenizer=WordCounter())
        renderer = PromptRenderer(templates=Templates(folder), models={"scripted": model})
        return PromptWorker(renderer=renderer, slots=64, journal=self.journal, blobs=self.blobs, ports=self.ports)

    async def submit(self, *requests: Request) -> list[ClaimedJob]:
        """Jobs 0, 1, ..., claimed for rendering."""
        payloads = await self.blobs.pack_many([("default", request.encode()) for request in requests])
        await self.journal.submit([submit(i, request=payload) for i, payload in enumerate(payloads)])
        return await self.journal.claim(claim(PROMPTING))

    async def prompts(self, *prompts: Prompt) -> list[ClaimedJob]:
        """Jobs 0, 1, ..., that came with these prompts and are claimed for inference."""
        payloads = await self.blobs.pack_many([("default", prompt.encode()) for prompt in prompts])
        await self.journal.submit([submit(i, rendered=payload) for i, payload in enumerate(payloads)])
        return await self.claim()

    async def rendered(self, *prompts: Prompt) -> list[ClaimedJob]:
        """The same of jobs that were rendered to these prompts."""
        claims = await self.submit(*[Request(model="scripted", messages=[]) for _ in prompts])
        payloads = await self.blobs.pack_many([("default", prompt.encode()) for prompt in prompts])
        await self.journal.finish(
            [finish(job, Rendered(prompt=item)) for job, item in zip(claims, payloads, strict=True)]
        )
        return await self.claim()

    async def claim(self) -> list[ClaimedJob]:
        """What waits for inference."""
        return await self.journal.claim(claim(INFERENCE, claim_id=self.ports.ids.new("claim")))

    async def claim_again(self) -> list[ClaimedJob]:
        """What waits for inference once every backoff is over."""
        self.clock.time += 60
        await self.journal.tick()
        return await self.claim()

    async def finished(self) -> None:
        """Returns when the worker holds nothing."""
        async with asyncio.timeout(10):
            while self.worker.slots.taken:
                await self.worker.wait_for_slot()

    async def run(self, claims: Sequence[ClaimedJob]) -> None:
        await self.worker.handle(claims)
        await self.finished()

    async def job(self, number: int = 0) -> Job:
        (job,) = await self.journal.jobs("default", [job_id(number)])
        assert job is not None
        return job

    async def result(self, number: int = 0) -> Result:
        job = await self.job(number)
        assert job.result is not None, job
        (data,) = await self.blobs.get_many([("default", job.result, None)])
        return Result.model_validate_json(data)

    async def logged(self, number: int = 0) -> Logged:
        return await self.token_log.read(job_id(number), -1)

    async def state(self, number: int = 0) -> LogState:
        return replay((await self.logged(number)).chunks)


GREET = """
version: "1"
messages:
  - {role: system, content: Be kind.}
  - {role: user, content: "Greet {{ name }}."}
"""


def prompt(text: str = "Hello", *, script: str | None = None, max_tokens: int = 16, **more: Any) -> Prompt:
    return Prompt(
        messages=[Message(role="user", content=text)],
        input_tokens=len(text.split()),
        max_tokens=max_tokens,
        temperature=1,
        top_p=1,
        metadata={} if script is None else {"scripted": script},
        **more,
    )

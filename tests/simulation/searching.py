"""Jobs that search, in a simulated world: a library whose finding and reranking fail as a query says."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from actors.journal.protocol import JournalApi
from deployments.file_search import FileSearch
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.door import Call
from deployments.ingestion.service import IngestionService
from deployments.knowledge.search_steps import SearchWorker, reranking, retrieving
from pipelines.errors import RejectError, TransientError
from pipelines.payloads import Passage
from pipelines.steps import RETRIEVAL_TOPIC
from pipelines.vector_edits import CreateVectorStore
from tests.simulation.process import Process

FOREVER_S = 10_000.0
STORE = f"vs_{'0' * 28}"


async def submit_search(
    tenant: str, service: IngestionService, journal: JournalApi, body: dict[str, Any], search: dict[str, Any]
) -> str:
    """A job that searches; what `search` says befalls it on the way."""
    await journal.edit([CreateVectorStore(store=STORE, tenant=tenant)])
    fields = {key: value for key, value in search.items() if key != "rerank"}
    text = json.dumps({"of": body["prompt"], **fields})
    request = GenerateBody.model_validate(body).request()
    content = [{"type": "input_text", "text": text}]
    item = {"id": "msg_1", "type": "message", "role": "user", "content": content, "status": "completed"}
    tool = {"type": "file_search", "vector_store_ids": [STORE], "rerank": search["rerank"]}
    request = request.model_copy(update={"messages": None, "input": [item], "tools": [tool]})
    call = Call(tenant=tenant, size=0, deadline_s=body["deadline_s"])
    return (await service.accept(request, call)).job_id


class Library:
    """What one process finds. `tries` counts, for all processes, how often each query was tried in each step."""

    def __init__(self, process: Process, tries: Counter[str]) -> None:
        self._process = process
        self._tries = tries

    async def find(self, tenant: str, search: FileSearch) -> list[Passage]:
        del tenant
        (query,) = search.queries
        await self._suffer(query, "find")
        texts = [f"Passage {number} of {query}" for number in range(3)]
        return [
            Passage(file_id=f"file-{n}", filename="f", start=0, end=1, text=text, score=1 - n / 10)
            for n, text in enumerate(texts)
        ]

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        await self._suffer(query, "rank")
        return [number / 10 for number, _ in enumerate(passages)]

    async def _suffer(self, query: str, step: str) -> None:
        said = json.loads(query)
        self._tries[step + query] += 1
        if said.get("step") != step or self._tries[step + query] > said.get("attempts", FOREVER_S):
            await asyncio.sleep(0.01)
            return
        match said["fault"]:
            case "raise":
                raise ValueError("it fails")
            case "reject":
                raise RejectError("it is refused", "invalid_value")
            case "busy":
                raise TransientError("it is busy")
            case "hang":
                await asyncio.sleep(FOREVER_S)
            case "exit":
                self._process.die()
                await asyncio.sleep(FOREVER_S)


def search_worker(topic: str, library: Library, **parts: Any) -> SearchWorker:
    """The handler of one of the two topics."""
    return SearchWorker(retrieving(library) if topic == RETRIEVAL_TOPIC else reranking(library), **parts)

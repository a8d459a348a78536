"""A job that searches, through all of its steps: what is found, what the prompt has of it, what readers see."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.puller import Handler
from actors.token_log.protocol import Append, AppendVerdict, SealRequest
from deployments.file_search import FileSearch
from deployments.history.responses import item_object
from deployments.history.stream_events import Scribe
from deployments.knowledge.search_steps import SearchWorker, reranking, retrieving
from events.v1.tokens_pb2 import Chunk, Operation
from pipelines.errors import RejectError, TransientError
from pipelines.jobs import ClaimedJob, Status, StepState
from pipelines.operations import fold, span
from pipelines.payloads import Passage, Prompt, Request, Result
from pipelines.steps import RAG, RAG_REQUIRED, RENDER, RERANKING_TOPIC, RETRIEVAL_TOPIC
from tests.factories import PROMPTING, claim, job_id, submit
from tests.workers import Workshop

TOOL = {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 2}


def passage(number: int, text: str, score: float) -> Passage:
    return Passage(file_id=f"file-{number}", filename=f"{number}.txt", start=10, end=20, text=text, score=score)


PASSAGES = [passage(1, "Rays are light.", 0.9), passage(2, "Mirrors signal.", 0.8), passage(3, "Tea is hot.", 0.7)]


class Library:
    """Finds and reranks what it was given; remembers what was asked."""

    def __init__(self, passages: Sequence[Passage] = PASSAGES, error: Exception | None = None) -> None:
        self.passages = list(passages)
        self.error = error
        self.asked: list[tuple[str, FileSearch]] = []

    async def find(self, tenant: str, search: FileSearch) -> list[Passage]:
        self.asked.append((tenant, search))
        if self.error is not None:
            raise self.error
        return self.passages

    async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """The last one is the best; whoever asks for the end of the world breaks it."""
        if "break" in query:
            raise ValueError("the reranker broke")
        return [(number + 1) / 10 for number, _ in enumerate(passages)]


class SearchShop(Workshop):
    """With workers for the two steps before rendering."""

    def __init__(self, folder: Path, library: Library | None = None) -> None:
        super().__init__(folder)
        self.library = library or Library()
        parts: dict[str, Any] = {"journal": self.journal, "blobs": self.blobs, "ports": self.ports}
        self.workers: dict[str, Handler] = {
            RETRIEVAL_TOPIC: SearchWorker(retrieving(self.library), **parts),
            RERANKING_TOPIC: SearchWorker(reranking(self.library), **parts),
            PROMPTING: self.prompting,
        }

    async def ask(self, *requests: Request, pipeline: str = RAG) -> None:
        payloads = await self.blobs.pack_many([("default", request.encode()) for request in requests])
        jobs = [submit(i, request=payload, pipeline=pipeline) for i, payload in enumerate(payloads)]
        await self.journal.submit(jobs)

    async def step(self, topic: str) -> None:
        await self.workers[topic].handle(await self.journal.claim(claim(topic, claim_id=self.ports.ids.new("claim"))))

    async def answer(self) -> None:
        for topic in self.workers:
            await self.step(topic)
        await self.run(await self.claim())

    async def prompt(self) -> Prompt:
        job = await self.job()
        assert job.rendered is not None
        (data,) = await self.blobs.get_many([("default", job.rendered, None)])
        return Prompt.model_validate_json(data)


def question(text: str = "What is light?", *, script: str = "Light [1].", **tool: Any) -> Request:
    content = [{"type": "input_text", "text": text}]
    return Request(
        model="scripted",
        input=[{"id": "msg_1", "type": "message", "role": "user", "content": content, "status": "completed"}],
        tools=[{**TOOL, **tool}],
        metadata={"scripted": json.dumps({"text": script})},
        max_output_tokens=50,
    )


@pytest.fixture
def shop(tmp_path: Path) -> SearchShop:
    return SearchShop(tmp_path)


async def test_an_answer_shows_its_search_and_cites_what_it_used(shop: SearchShop) -> None:
    await shop.ask(question())
    await shop.answer()
    assert (await shop.job()).status is Status.COMPLETED
    search, message = (await shop.result()).output
    assert search == {
        "id": search["id"],
        "type": "file_search_call",
        "status": "completed",
        "queries": ["What is light?"],
        "results": None,
    }
    assert search["id"].startswith("fs_")
    assert message["content"][0]["annotations"] == [
        {
            "type": "file_citation",
            "file_id": "file-3",  # the reranker had it first
            "filename": "3.txt",
            "index": len("Light "),
            "source": {"start": 10, "end": 20},
        }
    ]


async def test_the_query_is_what_the_user_said_last(shop: SearchShop) -> None:
    request = question(filters={"type": "eq", "key": "year", "value": 2}, ranking_options={"score_threshold": 0.2})
    await shop.ask(request)
    await shop.step(RETRIEVAL_TOPIC)
    ((tenant, search),) = shop.library.asked
    assert (tenant, search.stores, search.queries) == ("default", ("vs_1",), ("What is light?",))
    assert (search.filters, search.score_threshold) == ({"type": "eq", "key": "year", "value": 2}, 0.2)


async def test_the_best_passages_stand_numbered_in_the_prompt(shop: SearchShop) -> None:
    await shop.ask(question())
    for topic in shop.workers:
        await shop.step(topic)
    system, user = (await shop.prompt()).messages
    assert system.content.endswith("[1] 3.txt\nTea is hot.\n\n[2] 2.txt\nMirrors signal.")
    assert (system.role, user.content) == ("system", "What is light?")


async def test_passages_that_have_no_room_are_left_out_and_never_cited(shop: SearchShop) -> None:
    shop.library.passages = [passage(1, "word " * 600, 0.9), passage(2, "word " * 600, 0.8)]
    await shop.ask(question(script="One [1], two [2].", rerank="none"))
    await shop.answer()
    prompt = await shop.prompt()
    assert prompt.retrieval is not None
    assert [source.file_id for source in prompt.retrieval.sources] == ["file-1"]
    _, message = (await shop.result()).output
    assert [cited["file_id"] for cited in message["content"][0]["annotations"]] == ["file-1"]


async def test_what_is_not_good_enough_is_not_used(shop: SearchShop) -> None:
    await shop.ask(question(rerank="none", ranking_options={"score_threshold": 0.85}))
    await shop.answer()
    prompt = await shop.prompt()
    assert prompt.retrieval is not None
    assert [source.file_id for source in prompt.retrieval.sources] == ["file-1"]


async def test_an_answer_that_cites_nothing_rests_on_each_of_its_files(shop: SearchShop) -> None:
    shop.library.passages = [PASSAGES[0], PASSAGES[0], PASSAGES[1]]
    await shop.ask(question(script="Hm.", rerank="none", max_num_results=3))
    await shop.answer()
    _, message = (await shop.result()).output
    cited = [(each["file_id"], each["index"]) for each in message["content"][0]["annotations"]]
    assert cited == [("file-1", 3), ("file-2", 3)]


async def test_a_search_that_finds_nothing_is_answered_without(shop: SearchShop) -> None:
    shop.library.passages = []
    await shop.ask(question(script="I do not know [1]."))
    await shop.answer()
    search, message = (await shop.result()).output
    assert (search["type"], message["content"][0]["annotations"]) == ("file_search_call", [])
    assert [each.role for each in (await shop.prompt()).messages] == ["user"]


async def test_results_are_shown_to_who_asks_for_them(shop: SearchShop) -> None:
    await shop.ask(question(rerank="none").model_copy(update={"show_results": True}))
    await shop.answer()
    search, _ = (await shop.result()).output
    assert search["results"] == [
        {"file_id": "file-1", "filename": "1.txt", "text": "Rays are light.", "score": 0.9, "attributes": {}},
        {"file_id": "file-2", "filename": "2.txt", "text": "Mirrors signal.", "score": 0.8, "attributes": {}},
    ]


async def test_the_stream_tells_the_search_before_the_text_and_the_result_has_the_same(shop: SearchShop) -> None:
    request = question(script="Light [1] and [2].", rerank="none")
    await shop.ask(request)
    await shop.answer()
    operations = [each for chunk in (await shop.logged()).chunks for each in Chunk.FromString(chunk).operations]
    events = [json.loads(frame.data) for frame in Scribe(job_id(), request).events(operations)]
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:6] == [
        *("in_progress", "output_item.added", "file_search_call.in_progress", "file_search_call.searching"),
        *("file_search_call.completed", "output_item.done"),
    ]
    assert [event["sequence_number"] for event in events] == list(range(2, 2 + len(events)))
    added = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [event["annotation_index"] for event in added] == [0, 1]
    (part,) = [event["part"] for event in events if event["type"] == "response.content_part.done"]
    assert part["annotations"] == [event["annotation"] for event in added]
    assert [item_object(item) for item in fold(operations)] == (await shop.result()).output


async def test_a_broken_reranker_leaves_the_order_in_which_passages_were_found(shop: SearchShop) -> None:
    await shop.ask(question("break it"))
    await shop.step(RETRIEVAL_TOPIC)
    for _ in range(5):
        await shop.step(RERANKING_TOPIC)
        shop.clock.time += 4
        await shop.journal.tick()
    await shop.step(PROMPTING)
    await shop.run(await shop.claim())
    _, message = (await shop.result()).output
    assert message["content"][0]["annotations"][0]["file_id"] == "file-1"


async def test_one_bad_search_of_a_batch_fails_alone(shop: SearchShop) -> None:
    await shop.ask(question(), question("  "))
    await shop.step(RETRIEVAL_TOPIC)
    good, bad = await shop.job(), await shop.job(1)
    assert (good.step_state, bad.status, bad.fault and bad.fault.code) == (
        StepState.READY,
        Status.FAILED,
        "invalid_prompt",
    )


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RejectError("There is no such store.", "vector_store_not_found"), StepState.DONE),
        (TransientError("busy"), StepState.WAITING),
    ],
)
async def test_a_finder_that_fails_is_reported_as_what_it_is(
    shop: SearchShop, error: Exception, state: StepState
) -> None:
    shop.library.error = error
    await shop.ask(question(), pipeline=RAG_REQUIRED)
    await shop.step(RETRIEVAL_TOPIC)
    assert (await shop.job()).step_state is state


async def test_a_worker_goes_on_behind_every_operation_and_cites_as_the_first_would_have(tmp_path: Path) -> None:
    request = question(script="See [1], [2] now.", rerank="none")
    whole = SearchShop(tmp_path)
    await whole.ask(request)
    await whole.answer()
    operations = [each for chunk in (await whole.logged()).chunks for each in Chunk.FromString(chunk).operations]
    result = await whole.result()
    for cut in range(1, len(operations)):
        shop = SearchShop(tmp_path)
        await shop.ask(request)
        for topic in shop.workers:
            await shop.step(topic)
        (claimed,) = await shop.claim()
        await log(shop, claimed, operations[:cut], result)
        await shop.journal.orphan("w1", crashed=True)
        await shop.run(await shop.claim_again())
        assert (await shop.result()).output == result.output, cut


async def log(shop: SearchShop, claimed: ClaimedJob, operations: Sequence[Operation], result: Result) -> None:
    """Log the beginning of a generation, whose tokens are characters."""
    said = sum(len(operation.delta.text) for operation in operations)
    ids, fingerprint = result.token_ids[:said], result.engine_fingerprint
    chunk = Chunk(operations=operations, token_ids=ids, engine_fingerprint=fingerprint).SerializeToString()
    append = Append(claimed.job_id, claimed.fence, *span(operations), chunk)
    assert await shop.token_log.append([append]) == [AppendVerdict.DONE]


async def test_a_failed_job_is_sealed_without_a_search(shop: SearchShop) -> None:
    shop.library.error = RejectError("no", "vector_store_not_found")
    await shop.ask(question())
    await shop.step(RETRIEVAL_TOPIC)
    job = await shop.job()
    await shop.token_log.seal([SealRequest(job_id=job.id, status=job.status, fault=job.fault, end=job.end)])
    assert (await shop.logged()).chunks == []
    assert job.step != RENDER

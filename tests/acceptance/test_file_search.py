"""Questions about an uploaded real document through the whole saga: real encoders, the real client."""

from typing import Any

import openai as sdk_errors
import pytest
from openai import OpenAI

from configs.settings import CONFIGS
from tests.servers import ServerProcess

LICENSE = (CONFIGS.parent / "LICENSE").read_bytes()  # a text that nobody here wrote
OTHERS = {name: (CONFIGS.parent / "docs" / name).read_bytes()[:1000] for name in ("glossary.md", "faults.md")}
QUESTION = "When do patent licenses granted under this License terminate, if You institute patent litigation?"
ASKED: dict[str, Any] = {"model": "scripted", "input": QUESTION, "max_output_tokens": 64}
CHUNKS: Any = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def store(ingress: ServerProcess) -> str:
    """A vector store with the document among others."""
    with OpenAI(base_url=f"{ingress.url}/v1", api_key="none", max_retries=0) as openai:
        store = openai.vector_stores.create(name="Papers")
        batch = openai.vector_stores.file_batches.upload_and_poll(
            store.id,
            files=[("LICENSE.txt", LICENSE), *OTHERS.items()],
            chunking_strategy={"type": "static", "static": CHUNKS},
        )
    assert (batch.status, batch.file_counts.completed) == ("completed", 1 + len(OTHERS)), batch
    return store.id


def tool(store: str, **more: Any) -> dict[str, Any]:
    return {"type": "file_search", "vector_store_ids": [store], "max_num_results": 3, **more}


def test_an_answer_cites_the_part_of_the_document_that_has_it(openai: Any, store: str) -> None:
    response = openai.responses.create(
        **ASKED,
        tools=[tool(store)],
        include=["file_search_call.results"],
        metadata={"scripted": '{"text": "They end with the suit [1]."}'},
    )
    search, message = response.output
    assert (search.type, search.status, search.queries) == ("file_search_call", "completed", [QUESTION])
    best = search.results[0]
    assert best.filename == "LICENSE.txt"
    assert "patent litigation" in " ".join(best.text.split())
    (cited,) = message.content[0].annotations
    assert (cited.type, cited.file_id, cited.filename) == ("file_citation", best.file_id, "LICENSE.txt")
    assert message.content[0].text[cited.index :].startswith("[1]")
    start, end = cited.source["start"], cited.source["end"]
    assert LICENSE.decode()[start:end] == best.text
    assert openai.files.content(cited.file_id).read() == LICENSE


def test_the_stream_shows_the_search_and_what_is_cited_and_ends_with_the_same(openai: Any, store: str) -> None:
    with openai.responses.stream(**ASKED, tools=[tool(store, rerank="none")]) as stream:
        events = list(stream)
        response = stream.get_final_response()
    kinds = [event.type for event in events]
    told = [kind for kind in kinds if "file_search" in kind]
    assert told == [f"response.file_search_call.{state}" for state in ("in_progress", "searching", "completed")]
    added = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    there = openai.responses.retrieve(response.id)
    assert [each.type for each in there.output] == ["file_search_call", "message"]
    assert there.output_text == response.output_text
    annotations = there.output[1].content[0].annotations
    assert [each.to_dict() for each in annotations] == [dict(each) for each in added]
    assert annotations


def test_a_required_reranking_is_in_the_events(openai: Any, store: str, ingress: ServerProcess) -> None:
    response = openai.responses.create(**ASKED, tools=[tool(store, rerank="required")])
    assert ingress.events(response.id)[:4] == ["JobSubmitted", "ContextRetrieved", "ContextReranked", "PromptRendered"]


def test_an_attribute_narrows_the_search(openai: Any, store: str) -> None:
    for file in openai.vector_stores.files.list(store):
        openai.vector_stores.files.update(file.id, vector_store_id=store, attributes={"size": file.usage_bytes})
    tools = [tool(store, filters={"type": "lt", "key": "size", "value": 0})]
    response = openai.responses.create(**ASKED, tools=tools, include=["file_search_call.results"])
    assert response.output[0].results == []


def test_what_cannot_be_searched_is_refused_at_once(openai: Any, store: str) -> None:
    with pytest.raises(sdk_errors.BadRequestError, match="key"):
        openai.responses.create(**ASKED, tools=[tool(store, filters={"type": "eq"})])
    gone = openai.vector_stores.create().id
    openai.vector_stores.delete(gone)
    with pytest.raises(sdk_errors.NotFoundError, match=gone):
        openai.responses.create(**ASKED, tools=[tool(gone)])

"""Batches with the real client: from the upload to the results."""

import json
from typing import Any

import openai as sdk_errors
import pytest

from tests.batch_crew import CHAT, chat_line, line
from tests.servers import until

RESPONSES, EMBEDDINGS = "/v1/responses", "/v1/embeddings"
ENCODER = "all-minilm-l6-v2"
ENDED = ("completed", "failed", "expired", "cancelled")
SLOW: dict[str, Any] = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 500})}}
MALFORMED: dict[str, Any] = {"metadata": {"scripted": "{"}}  # which only the engine finds out


def create(openai: Any, lines: list[dict[str, Any]], endpoint: str = CHAT, window: str = "1h") -> Any:
    text = "".join(f"{json.dumps(each)}\n" for each in lines)
    file = openai.files.create(file=("lines.jsonl", text.encode()), purpose="batch")
    return openai.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window=window)


def ended(openai: Any, batch: Any) -> Any:
    def look() -> Any:
        now = openai.batches.retrieve(batch.id)
        return now if now.status in ENDED else None

    return until(look, seconds=60, what="the end of a batch")


def read(openai: Any, file: str | None) -> list[dict[str, Any]]:
    return [json.loads(told) for told in openai.files.content(file).text.splitlines()] if file else []


def test_every_line_comes_back_once(openai: Any) -> None:
    lines = [chat_line(f"good {n}", f"Say {n}.") for n in range(200)] + [chat_line("bad", "Hi", **MALFORMED)]
    batch = ended(openai, create(openai, lines))
    assert batch.status == "completed"
    assert batch.request_counts.to_dict() == {"total": 201, "completed": 200, "failed": 1}
    outputs, errors = read(openai, batch.output_file_id), read(openai, batch.error_file_id)
    assert [told["custom_id"] for told in outputs] == [f"good {n}" for n in range(200)]
    assert [(told["custom_id"], told["response"]["status_code"]) for told in errors] == [("bad", 400)]
    assert batch.id in [found.id for found in openai.batches.list(limit=10)]
    direct = openai.chat.completions.create(**lines[7]["body"])
    assert outputs[7]["response"]["body"]["choices"] == direct.to_dict()["choices"]


def test_a_line_on_responses_is_a_response(openai: Any) -> None:
    batch = ended(openai, create(openai, [line("a", RESPONSES, input="Hi")], RESPONSES))
    (told,) = read(openai, batch.output_file_id)
    response = openai.responses.retrieve(told["response"]["body"]["id"])
    assert response.to_dict() == told["response"]["body"]
    assert response.output_text == openai.responses.create(model="scripted", input="Hi").output_text


def test_lines_on_embeddings_have_the_vectors_of_the_endpoint(openai: Any) -> None:
    texts = ["A dog barks.", "Rain fell on the roof."]
    lines = [line(text, EMBEDDINGS, input=text, model=ENCODER) for text in texts]
    batch = ended(openai, create(openai, lines, EMBEDDINGS))
    assert batch.status == "completed"
    for told, text in zip(read(openai, batch.output_file_id), texts, strict=True):
        direct = openai.embeddings.create(model=ENCODER, input=text, encoding_format="float")
        assert told["response"]["body"]["data"][0]["embedding"] == pytest.approx(direct.data[0].embedding, abs=1e-5)


def test_a_bad_line_is_told_and_nothing_is_run(openai: Any) -> None:
    batch = ended(openai, create(openai, [chat_line("a"), chat_line("a"), chat_line("b", model="nobody")]))
    assert batch.status == "failed"
    assert [(told.code, told.line) for told in batch.errors.data] == [
        ("duplicate_custom_id", 2),
        ("model_not_found", 3),
    ]
    assert batch.output_file_id is None


def test_a_cancelled_batch_ends_and_tells_of_every_line(openai: Any) -> None:
    batch = create(openai, [chat_line(str(n), **SLOW) for n in range(100)])
    until(lambda: openai.batches.retrieve(batch.id).status == "in_progress", seconds=30, what="the lines")
    assert openai.batches.cancel(batch.id).status == "cancelling"
    batch = ended(openai, batch)
    assert batch.status == "cancelled"
    told = read(openai, batch.output_file_id) + read(openai, batch.error_file_id)
    assert sorted(int(each["custom_id"]) for each in told) == list(range(100))
    with pytest.raises(sdk_errors.ConflictError):
        openai.batches.cancel(batch.id)


def test_interactive_work_passes_a_batch_that_fills_the_engine(openai: Any) -> None:
    batch = create(openai, [chat_line(str(n), **SLOW) for n in range(300)])
    until(lambda: openai.batches.retrieve(batch.id).status == "in_progress", seconds=30, what="the lines")
    for _ in range(3):
        openai.responses.create(model="scripted", input="Hi", timeout=5)
        openai.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "Hi"}], timeout=5)
    assert openai.batches.retrieve(batch.id).status == "in_progress"
    openai.batches.cancel(batch.id)
    assert ended(openai, batch).status == "cancelled"

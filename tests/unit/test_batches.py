"""`/v1/batches` with the real client, on ingestion and workers in memory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.completion import Completion
from openai.types.responses import Response, ResponseCompletedEvent

from actors.journal.journal import Journal
from deployments.engines.scripted import ScriptedEngine, token_ids
from deployments.knowledge.encoding import Embedded, TextOrTokens
from pipelines.batch_edits import CancelBatch, LineQuery, line_id
from pipelines.commands import Answer, Submit
from pipelines.errors import RejectError, TransientError
from tests.batch_crew import CHAT, Crew, chat_line, line
from tests.encoders import DIMENSIONS, WordEncoder
from tests.factories import ManualClock
from tests.ingestion_house import ENCODER, House

RESPONSES, COMPLETIONS, EMBEDDINGS = "/v1/responses", "/v1/completions", "/v1/embeddings"
FAILING: dict[str, Any] = {"metadata": {"scripted": json.dumps({"fail": "raise"})}}


@pytest.fixture
def crew(house: House) -> Crew:
    return Crew(house)


def spoken(prompt: str, tokens: int = 16) -> str:
    return ScriptedEngine().decode(token_ids(prompt, tokens))


async def problems(crew: Crew, *lines: Any, endpoint: str = CHAT) -> list[tuple[str | None, str | None, int | None]]:
    batch = await crew.do(lines, endpoint)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    return [(error.code, error.param, error.line) for error in batch.errors.data]


async def test_a_batch_of_chats_is_done_and_read_back(crew: Crew) -> None:
    made = await crew.create([chat_line(f"line-{n}", f"Say {n}.") for n in range(3)], metadata={"of": "me"})
    assert (made.status, made.metadata, made.completion_window) == ("validating", {"of": "me"}, "24h")
    assert made.expires_at == made.created_at + 86400
    await crew.batch_work()
    running = await crew.sdk.batches.retrieve(made.id)
    assert (running.status, running.model, running.output_file_id) == ("in_progress", "scripted", None)
    while await crew.work():
        pass
    batch = await crew.sdk.batches.retrieve(made.id)
    assert (batch.status, batch.error_file_id) == ("completed", None)
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 3, "completed": 3, "failed": 0}
    assert batch.usage is not None
    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (6, 48)
    lines = await crew.lines(batch.output_file_id)
    assert [each["custom_id"] for each in lines] == ["line-0", "line-1", "line-2"]
    answer = ChatCompletion.model_validate(lines[1]["response"]["body"], strict=True)
    assert (lines[1]["error"], lines[1]["response"]["status_code"]) == (None, 200)
    assert answer.choices[0].message.content == spoken("user: Say 1.")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 18
    file = await crew.sdk.files.retrieve(batch.output_file_id or "")
    assert (file.purpose, file.expires_at) == ("batch_output", file.created_at + 30 * 86400)


async def test_a_batch_of_responses_is_made_of_responses(crew: Crew) -> None:
    batch = await crew.do([line("a", RESPONSES, input="Hi", instructions="Be kind.")], RESPONSES)
    (told,) = await crew.lines(batch.output_file_id)
    response = Response.model_validate(told["response"]["body"])
    assert response.output_text == spoken("system: Be kind.\nuser: Hi")
    assert (response.id, response.status) == (line_id(batch.id, 1), "completed")
    assert await crew.sdk.responses.retrieve(response.id) == response


async def test_a_batch_of_completions_has_no_chat_template(crew: Crew) -> None:
    batch = await crew.do([line("a", COMPLETIONS, prompt="Once", max_tokens=5, logprobs=1)], COMPLETIONS)
    (told,) = await crew.lines(batch.output_file_id)
    completion = Completion.model_validate(told["response"]["body"])
    assert completion.choices[0].text == spoken("user: Once", 5)
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].logprobs is not None
    assert len(completion.choices[0].logprobs.tokens or []) == 5


async def test_calls_and_likelihoods_come_through_as_from_the_endpoint(crew: Crew) -> None:
    asked = chat_line("a", "Hi", logprobs=True, top_logprobs=2, max_tokens=3)
    batch = await crew.do([asked])
    (told,) = await crew.lines(batch.output_file_id)
    direct = await crew.sdk.chat.completions.create(**asked["body"])
    assert told["response"]["body"]["choices"] == direct.to_dict()["choices"]


async def test_lines_that_fail_are_in_the_error_file(tmp_path: Path) -> None:
    clock = ManualClock()
    house = House(tmp_path, clock=clock)
    crew = Crew(house)
    long = chat_line("long", "word " * 2000)
    batch = await crew.create([chat_line("good"), long, chat_line("bad", **FAILING)])
    await crew.batch_work()
    for _ in range(6):
        await crew.line_work()
        clock.time += 60  # whatever backs off is ready then
        await house.journal.tick()
    while await crew.work():
        pass
    batch = await crew.sdk.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 3, "completed": 1, "failed": 2}
    assert [told["custom_id"] for told in await crew.lines(batch.output_file_id)] == ["good"]
    errors = await crew.lines(batch.error_file_id)
    assert [told["custom_id"] for told in errors] == ["long", "bad"]
    assert [told["response"]["status_code"] for told in errors] == [400, 500]
    assert [told["error"]["code"] for told in errors] == ["context_length_exceeded", "server_error"]
    assert errors[0]["response"]["body"]["error"]["code"] == "context_length_exceeded"


async def test_every_bad_line_is_told_with_its_number(crew: Crew) -> None:
    good = chat_line("1")
    found = await problems(
        crew,
        good,
        "not json",
        "[]",
        {**good, "custom_id": None},
        {name: value for name, value in good.items() if name != "custom_id"},
        {**good, "custom_id": "6", "url": RESPONSES},
        {**good, "custom_id": "7", "method": "GET"},
        {name: value for name, value in good.items() if name != "body"},
        chat_line("9", stream=True),
        chat_line("10", model="nobody"),
        chat_line("11", temperature=9),
        "",
        good,
        chat_line("14", n=2),
    )
    assert found == [
        ("invalid_json_line", None, 2),
        ("invalid_json_line", None, 3),
        ("invalid_request", "custom_id", 4),
        ("missing_required_parameter", "custom_id", 5),
        ("invalid_url", "url", 6),
        ("invalid_request", "method", 7),
        ("missing_required_parameter", "body", 8),
        ("streaming_unsupported", "body.stream", 9),
        ("model_not_found", "body.model", 10),
        ("invalid_request", "body.temperature", 11),
        ("duplicate_custom_id", "custom_id", 13),
        ("invalid_request", "body.n", 14),
    ]


async def test_what_lines_of_responses_refer_to_must_be_there(crew: Crew) -> None:
    found = await problems(
        crew,
        line("1", RESPONSES, input="Hi", background=True),
        line("2", RESPONSES, input="Hi", previous_response_id="resp_nobody"),
        line("3", RESPONSES, input="Hi", conversation="conv_1"),
        line("4", RESPONSES, prompt={"id": "nobody"}),
        line("5", RESPONSES),
        line("6", RESPONSES, input="Hi", tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}]),
        endpoint=RESPONSES,
    )
    assert found == [
        ("invalid_request", "body.background", 1),
        ("invalid_request", "body.previous_response_id", 2),
        ("invalid_request", "body.conversation", 3),
        ("invalid_request", "body.prompt", 4),
        ("invalid_request", "body.input", 5),
        ("invalid_request", "body.tools", 6),
    ]


async def test_a_line_goes_on_from_an_earlier_response(crew: Crew, house: House) -> None:
    earlier = await crew.do([line("a", RESPONSES, input="Hi")], RESPONSES)
    (told,) = await crew.lines(earlier.output_file_id)
    asked = line("b", RESPONSES, input="More", previous_response_id=told["response"]["body"]["id"])
    (after,) = await crew.lines((await crew.do([asked], RESPONSES)).output_file_id)
    said = told["response"]["body"]["output"][0]["content"][0]["text"]
    assert Response.model_validate(after["response"]["body"]).output_text == spoken(
        f"user: Hi\nassistant: {said}\nuser: More"
    )
    await crew.sdk.responses.delete(told["response"]["body"]["id"])
    await house.journal.prune(10)
    longer = line("c", RESPONSES, input="Still", previous_response_id=after["response"]["body"]["id"])
    assert (await crew.do([longer], RESPONSES)).status == "completed"


@pytest.mark.parametrize("lines", [["", " "], ["x"] * 2])
async def test_a_file_without_a_good_line_is_told_so(lines: list[str], crew: Crew) -> None:
    codes = [code for code, _, _ in await problems(crew, *lines)]
    assert codes == (["empty_file"] if lines[0] == "" else ["invalid_json_line"] * 2)


async def test_a_file_that_is_missing_is_found_out_later(crew: Crew) -> None:
    other = await crew.sdk.files.create(file=("a.txt", b"a"), purpose="user_data")
    for file in ("file-nobody", other.id):
        made = await crew.sdk.batches.create(input_file_id=file, endpoint=CHAT, completion_window="24h")
        assert made.status == "validating"
        await crew.batch_work()
        batch = await crew.sdk.batches.retrieve(made.id)
        assert (batch.status, batch.failed_at is not None) == ("failed", True)
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert [(error.code, error.param) for error in batch.errors.data] == [("invalid_request", "input_file_id")]


async def test_the_results_can_be_read_while_the_batch_runs(crew: Crew) -> None:
    made = await crew.create([chat_line(str(n)) for n in range(5)])
    await crew.batch_work()
    await crew.line_work(2)
    batch = await crew.sdk.batches.retrieve(made.id)
    assert batch.status == "in_progress"
    assert [told["custom_id"] for told in await crew.lines(batch.output_file_id)] == ["0", "1"]
    with pytest.raises(openai.NotFoundError):
        await crew.sdk.files.retrieve(batch.output_file_id or "")


async def test_a_cancelled_batch_keeps_what_is_done(crew: Crew, house: House) -> None:
    made = await crew.create([chat_line(str(n)) for n in range(5)])
    await crew.batch_work()
    await crew.line_work(2)
    assert (await crew.sdk.batches.cancel(made.id)).status == "cancelling"
    assert (await crew.sdk.batches.cancel(made.id)).status == "cancelling"
    while await house.journal.wind_down(2):
        pass
    await crew.batch_work()
    batch = await crew.sdk.batches.retrieve(made.id)
    assert (batch.status, batch.cancelled_at is not None) == ("cancelled", True)
    assert [told["custom_id"] for told in await crew.lines(batch.output_file_id)] == ["0", "1"]
    errors = await crew.lines(batch.error_file_id)
    assert [told["custom_id"] for told in errors] == ["2", "3", "4"]
    assert {(told["response"], told["error"]["code"]) for told in errors} == {(None, "batch_cancelled")}
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'cancelled'") as refused:
        await crew.sdk.batches.cancel(made.id)
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_lines_that_have_not_run_in_time_are_told_so(tmp_path: Path) -> None:
    clock = ManualClock()
    house = House(tmp_path, clock=clock)
    crew = Crew(house)
    made = await crew.create([chat_line(str(n)) for n in range(4)], completion_window="1m")
    assert made.expires_at == made.created_at + 60
    await crew.batch_work()
    await crew.line_work(1)
    clock.time += 60
    await house.journal.tick()
    while await house.journal.wind_down(10):
        pass
    await crew.batch_work()
    batch = await crew.sdk.batches.retrieve(made.id)
    assert (batch.status, batch.expired_at) == ("expired", int(clock.time))
    assert [told["custom_id"] for told in await crew.lines(batch.output_file_id)] == ["0"]
    errors = await crew.lines(batch.error_file_id)
    assert [(told["custom_id"], told["error"]["code"]) for told in errors] == [
        (str(n), "batch_expired") for n in (1, 2, 3)
    ]


async def test_a_batch_that_is_cancelled_while_it_gets_its_lines_tells_of_all_of_them(tmp_path: Path) -> None:
    house = House(tmp_path, journal=HastyJournal)
    crew = Crew(house)
    made = await crew.create([chat_line(str(n)) for n in range(1200)])
    await crew.batch_work()
    while await house.journal.wind_down(1000):
        pass
    await crew.batch_work()
    batch = await crew.sdk.batches.retrieve(made.id)
    assert batch.request_counts is not None
    assert (batch.status, batch.request_counts.failed) == ("cancelled", 1200)
    jobs = await house.journal.lines(LineQuery(batch.id, limit=2000))
    assert 0 < len(jobs) < 1200
    told = await crew.lines(batch.error_file_id)
    assert [each["custom_id"] for each in told] == [str(n) for n in range(1200)]
    assert {each["error"]["code"] for each in told} == {"batch_cancelled"}


async def test_what_cannot_be_a_batch_is_refused(house: House) -> None:
    body: dict[str, Any] = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({"endpoint": "/v1/fun"}, "invalid_value", "endpoint"),
        ({"completion_window": "30s"}, "invalid_value", "completion_window"),
        ({"completion_window": "31d"}, "invalid_value", "completion_window"),
        ({"completion_window": "0m"}, "invalid_value", "completion_window"),
        ({"metadata": {"a": 1}}, "invalid_type", "metadata.a"),
        ({"input_file_id": None}, "invalid_type", "input_file_id"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "invalid_value",
            "output_expires_after.seconds",
        ),
    ]
    for change, code, param in refused:
        reply = await house.client.post("/v1/batches", json=body | change)
        assert (reply.status_code, reply.json()["error"]["code"], reply.json()["error"]["param"]) == (400, code, param)
    reply = await house.client.post("/v1/batches", json=body | {"endpoint": "/v1/fun"})
    assert CHAT in reply.json()["error"]["message"]


async def test_nobody_sees_another_tenants_batch(crew: Crew) -> None:
    for call in (crew.sdk.batches.retrieve, crew.sdk.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="not found"):
            await call("batch_00000000000000000000000000")


async def test_lists_are_paged_from_the_newest(crew: Crew) -> None:
    made = [await crew.create([chat_line("1")]) for _ in range(3)]
    assert [batch.id async for batch in crew.sdk.batches.list(limit=2)] == [batch.id for batch in made][::-1]
    with pytest.raises(openai.BadRequestError, match="Unknown cursor"):
        await crew.sdk.batches.list(after="nobody")


async def test_the_same_key_gives_the_same_batch(crew: Crew, house: House) -> None:
    body = {"input_file_id": await crew.upload([chat_line("1")]), "endpoint": CHAT, "completion_window": "1h"}
    headers = {"idempotency-key": "word"}
    first = await house.client.post("/v1/batches", json=body, headers=headers)
    again = await house.client.post("/v1/batches", json=body, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = await house.client.post("/v1/batches", json=body | {"completion_window": "2h"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    in_body = [await house.client.post("/v1/batches", json=body | {"idempotency_key": "w"}) for _ in range(2)]
    assert in_body[0].json()["id"] == in_body[1].json()["id"] != first.json()["id"]


async def test_the_jobs_of_a_batch_itself_are_no_responses(crew: Crew, house: House) -> None:
    batch = await crew.do([chat_line("1")])
    validation = line_id(batch.id, 0)
    assert (await house.client.get(f"/jobs/{validation}")).json()["step"] == "validate"
    for path in ("", "/input_items"):
        assert (await house.client.get(f"/v1/responses/{validation}{path}")).status_code == 404


async def test_a_line_that_has_ended_can_be_followed_to_its_end(crew: Crew) -> None:
    batch = await crew.do([line("a", RESPONSES, input="Hi")], RESPONSES)
    stored = await crew.sdk.responses.retrieve(line_id(batch.id, 1))
    events = [event async for event in await crew.sdk.responses.retrieve(stored.id, stream=True)]
    assert [event.type for event in events] == ["response.created", "response.completed"]
    assert isinstance(events[-1], ResponseCompletedEvent)
    assert events[-1].response == stored


async def test_a_batch_of_embeddings_gives_the_vectors_of_the_endpoint(crew: Crew, house: House) -> None:
    asked: list[dict[str, Any]] = [
        {"input": "light and shade"},
        {"input": ["one", "two words"], "dimensions": 8},
        {"input": "light", "encoding_format": "base64"},
    ]
    lines = [line(str(n), EMBEDDINGS, **body | {"model": ENCODER}) for n, body in enumerate(asked)]
    batch = await crew.do(lines, EMBEDDINGS)
    assert batch.usage is not None
    assert (batch.status, batch.usage.input_tokens, batch.usage.output_tokens) == ("completed", 7, 0)
    for told, body in zip(await crew.lines(batch.output_file_id), asked, strict=True):
        direct = await house.client.post("/v1/embeddings", json=body | {"model": ENCODER})
        assert told["response"]["body"] == direct.json()


async def test_lines_of_embeddings_are_checked_like_bodies(crew: Crew) -> None:
    found = await problems(
        crew,
        line("1", EMBEDDINGS, input="Hi"),
        line("2", EMBEDDINGS, input="Hi", model=ENCODER, dimensions=DIMENSIONS + 1),
        line("3", EMBEDDINGS, input="", model=ENCODER),
        endpoint=EMBEDDINGS,
    )
    assert found == [
        ("model_not_found", "body.model", 1),
        ("invalid_request", "body.dimensions", 2),
        ("invalid_request", "body.input", 3),
    ]


async def test_a_bad_line_of_embeddings_fails_alone(crew: Crew, house: House) -> None:
    house.encoders[ENCODER] = Picky()
    inputs: list[Any] = ["Hi", [1], "there"]
    batch = await crew.do(
        [line(str(n), EMBEDDINGS, input=each, model=ENCODER) for n, each in enumerate(inputs)], EMBEDDINGS
    )
    assert [told["custom_id"] for told in await crew.lines(batch.output_file_id)] == ["0", "2"]
    (error,) = await crew.lines(batch.error_file_id)
    assert (error["custom_id"], error["response"]["status_code"]) == ("1", 400)
    response = await house.client.get(f"/v1/responses/{line_id(batch.id, 1)}")
    assert response.status_code == 404


async def test_lines_whose_encoder_is_away_are_tried_again_together(tmp_path: Path) -> None:
    clock = ManualClock()
    house = House(tmp_path, clock=clock)
    encoder = house.encoders[ENCODER] = Away()
    crew = Crew(house)
    made = await crew.create([line(str(n), EMBEDDINGS, input="Hi", model=ENCODER) for n in range(3)], EMBEDDINGS)
    await crew.batch_work()
    assert await crew.embedding_work() == 3
    clock.time += 60
    await house.journal.tick()
    while await crew.work():
        pass
    assert (await crew.sdk.batches.retrieve(made.id)).status == "completed"
    assert encoder.calls == [3, 3]


class Away(WordEncoder):
    """Cannot be reached at first."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        embedded = await super().embed(texts)
        if len(self.calls) == 1:
            raise TransientError("away")
        return embedded


class Picky(WordEncoder):
    """Knows no ids."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        if any(isinstance(text, list) for text in texts):
            raise RejectError("There are no such ids.", code="invalid_value", param="input")
        return await super().embed(texts)


class HastyJournal(Journal):
    """Hears that a batch is cancelled when it has its first lines."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        answers = await super().submit(batch)
        await self.edit([CancelBatch(batch=batch[0].part_of, tenant="default")])
        return answers

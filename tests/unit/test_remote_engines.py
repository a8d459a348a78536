"""What the engines of other servers make of answers that no server gives on demand."""

from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from deployments.engines.endpoint import Endpoint, EndpointError
from deployments.engines.protocol import Engine, Generation, Tokens
from pipelines.errors import RejectError, TransientError
from pipelines.jobs import Usage
from pipelines.operations import Kind, Piece
from tests.factories import ManualClock
from tests.http_peer import Answer
from tests.remote_answers import BROKEN, KINDS, START, WHOLE, block, call, chunk, ended, opened
from tests.workers import prompt

CALL = Kind.FUNCTION_CALL


async def run(engine: Engine) -> list[Tokens]:
    async with aclosing(engine.generate(Generation(request_id="one", prompt=prompt("Tell me")))) as batches:
        return [batch async for batch in batches]


def pieces_of(batches: list[Tokens]) -> list[Piece]:
    return [piece for batch in batches for piece in batch.pieces]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_has_enough_is_left_alone_as_long_as_it_asks(kind: str) -> None:
    async with opened(kind, Answer(status=429, headers={"retry-after": "30"})) as (engine, peer):
        for _ in range(2):
            with pytest.raises(TransientError) as refused:
                await run(engine)
            assert 29 < (refused.value.retry_after_s or 0) <= 30
            assert not engine.has_room()
        assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(1_800_000_020, usegmt=True)}, 20),
        ({"retry-after": "never"}, 1),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "86400"}, 600),
        ({}, 1),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float) -> None:
    clock = ManualClock()
    endpoint = Endpoint(url="http://a", model="m", slots=1, clock=clock.now)
    error = endpoint.refusal(429, headers, "slower")
    assert isinstance(error, TransientError)
    assert error.retry_after_s == seconds
    assert endpoint.has_room() == (seconds == 0)
    clock.time += seconds
    assert endpoint.has_room()


@pytest.mark.parametrize("status", [408, 409, 500, 503, 529])
def test_a_passing_fault_without_a_time_pauses_nothing(status: int) -> None:
    endpoint = Endpoint(url="http://a", model="m", slots=1)
    assert isinstance(endpoint.refusal(status, {}, "down"), TransientError)
    assert endpoint.has_room()


def test_an_engine_is_the_same_only_at_the_same_server_and_model() -> None:
    known = {Endpoint(url=url, model=model, slots=1).fingerprint for url in ("a", "b") for model in ("m", "n")}
    assert len(known) == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_request_that_is_at_fault_is_refused_in_the_servers_words(kind: str, status: int) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "The prompt is too long."}}
    async with opened(kind, Answer(status=status, body=body)) as (engine, _):
        with pytest.raises(RejectError, match=r"^The prompt is too long\.$"):
            await run(engine)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_key_that_is_refused_is_its_operators_matter(kind: str, status: int) -> None:
    body = {"type": "error", "error": {"type": "authentication_error", "message": "Incorrect key: secret"}}
    async with opened(kind, Answer(status=status, body=body)) as (engine, _):
        with pytest.raises(EndpointError) as refused:
            await run(engine)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
async def test_an_answer_that_breaks_off_is_no_answer(kind: str, *, whole: bool) -> None:
    async with opened(kind, Answer(events=BROKEN[kind], whole=whole)) as (engine, _):
        with pytest.raises(TransientError):
            await run(engine)
        assert engine.has_room()


async def test_an_error_within_an_answer_counts_as_its_status() -> None:
    for code, expected in ((503, TransientError), (None, TransientError), (400, RejectError)):
        error: dict[str, Any] = {"error": {"message": "Oh", "code": code}}
        async with opened("openai", Answer(events=[chunk(content="Once"), error])) as (engine, _):
            with pytest.raises(expected):
                await run(engine)
    for name, expected in (("overloaded_error", TransientError), ("invalid_request_error", RejectError)):
        error = {"type": "error", "error": {"type": name, "message": "Oh"}}
        async with opened("anthropic", Answer(events=[START, error])) as (engine, _):
            with pytest.raises(expected):
                await run(engine)


async def test_thoughts_calls_and_text_of_openais_stream() -> None:
    events: list[dict[str, Any]] = [
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Hm"),
        chunk(reasoning="."),
        chunk(content="I look."),
        call(0, "", "weather"),
        call(0, '{"a": 1}'),
        call(1, "{}", "time"),
        chunk(finish="tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 8, "prompt_tokens_details": {}}},
    ]
    async with opened("openai", Answer(events=events)) as (engine, _):
        batches = await run(engine)
    assert pieces_of(batches) == [
        Piece(kind=Kind.REASONING, text="Hm"),
        Piece(kind=Kind.REASONING, text="."),
        Piece(text="I look."),
        Piece(kind=CALL, text="", name="weather", opens=True),
        Piece(kind=CALL, text='{"a": 1}'),
        Piece(kind=CALL, text="{}", name="time", opens=True),
    ]
    assert (batches[-1].finish_reason, batches[-1].usage) == ("stop", Usage(9, 8))


async def test_thoughts_calls_and_text_of_anthropics_stream() -> None:
    events: list[dict[str, Any]] = [
        START,
        {"type": "ping"},
        *block(0, {"type": "thinking_delta", "thinking": "Hm"}, {"type": "signature_delta", "signature": "x"},
               type="thinking", thinking="", signature=""),
        *block(1, {"type": "text_delta", "text": "I look."}, type="text", text=""),
        *block(2, {"type": "input_json_delta", "partial_json": '{"a": 1}'}, type="tool_use", id="t", name="weather",
               input={}),
        *block(3, type="tool_use", id="u", name="time", input={}),
        ended("tool_use"),
        {"type": "message_stop"},
    ]  # fmt: skip
    async with opened("anthropic", Answer(events=events)) as (engine, _):
        batches = await run(engine)
    assert pieces_of(batches) == [
        Piece(kind=Kind.REASONING, text="Hm"),
        Piece(text="I look."),
        Piece(kind=CALL, text="", name="weather", opens=True),
        Piece(kind=CALL, text='{"a": 1}'),
        Piece(kind=CALL, text="", name="time", opens=True),
        Piece(kind=CALL, text="{}"),
    ]
    assert (batches[-1].finish_reason, batches[-1].usage) == ("stop", Usage(8, 7, 3))


async def test_a_server_that_does_not_count_is_counted_for() -> None:
    async with opened("openai", Answer(events=WHOLE["openai"])) as (engine, _):
        assert (await run(engine))[-1].usage == Usage(2, 1)

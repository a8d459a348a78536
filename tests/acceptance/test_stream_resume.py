"""A stream is the same bytes for every reader, from every cursor, at every time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import httpx
import openai as sdk_errors
import pytest
from openai import OpenAI

from tests.acceptance.asking import DONE, SLOW, asked, events_of, frames_of, poll, read_stream
from tests.acceptance.client import PATIENCE_S
from tests.servers import ServerProcess

Deliver = Callable[[str], tuple[str, bytes]]
ENDS: dict[str, dict[str, Any]] = {
    "completed": asked(),
    "incomplete": asked({"tokens": 100}, max_output_tokens=16),
    "failed": asked({"fail": "raise", "at": 7, "tokens": 12}),
    "cancelled": asked(SLOW, max_output_tokens=5000),
}


@pytest.fixture
def http(ingress: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{ingress.url}/v1", timeout=PATIENCE_S) as client:
        yield client


def first_delivery(http: httpx.Client, end: str) -> tuple[str, bytes]:
    """A response's id, and its stream as its creator saw it."""
    stream = b""
    with http.stream("POST", "/responses", json={**ENDS[end], "background": True, "stream": True}) as reply:
        for data in reply.iter_raw():
            stream += data.replace(b": ping\n\n", b"")
            if end == "cancelled" and stream.count(b"output_text.delta") > 3 and b"cancelled" not in stream:
                http.post(f"/responses/{response_id(stream)}/cancel")
    return response_id(stream), stream


def response_id(stream: bytes) -> str:
    return stream.partition(b'"id":"')[2].partition(b'"')[0].decode()


@pytest.fixture(scope="module")
def deliver(ingress: ServerProcess) -> Iterator[Deliver]:
    """`first_delivery`, which is asked for each end once: a failure takes five attempts."""
    with httpx.Client(base_url=f"{ingress.url}/v1", timeout=PATIENCE_S) as client:
        yield cache(partial(first_delivery, client))


@pytest.mark.parametrize("end", ENDS)
def test_every_cursor_gives_the_rest_of_the_first_delivery(http: httpx.Client, deliver: Deliver, end: str) -> None:
    response, whole = deliver(end)
    frames, events = frames_of(whole), list(events_of(whole))
    assert events[-1]["type"] == f"response.{end}"
    assert [event["sequence_number"] for event in events] == list(range(len(frames)))
    path = f"/responses/{response}?stream=true"
    assert read_stream(http, "GET", path) == whole
    with ThreadPoolExecutor(4) as readers:  # several at once
        tails = readers.map(lambda k: read_stream(http, "GET", f"{path}&starting_after={k}"), range(len(frames)))
        for cursor, tail in enumerate(tails):
            assert tail == b"".join(frames[cursor + 1 :]) + DONE
    assert read_stream(http, "GET", f"{path}&starting_after={len(frames) + 7}") == DONE


@pytest.mark.parametrize("end", ENDS)
def test_the_last_event_is_what_get_says(http: httpx.Client, deliver: Deliver, end: str) -> None:
    response, whole = deliver(end)
    assert list(events_of(whole))[-1]["response"] == http.get(f"/responses/{response}").json()


def test_a_reader_that_comes_in_the_middle_joins_the_live_stream(openai: OpenAI) -> None:
    created = openai.responses.create(**asked({"tokens": 40, "delay_ms": 20}, background=True))
    early = openai.responses.retrieve(created.id, stream=True)
    seen = [next(early) for _ in range(10)]
    late = list(openai.responses.retrieve(created.id, stream=True, starting_after=seen[-1].sequence_number))
    whole = seen + list(early)
    assert late == whole[10:]
    assert poll(openai, created).output_text == "".join(
        event.delta for event in whole if event.type == "response.output_text.delta"
    )


@pytest.mark.parametrize("cursor", ["-1", "first", "1.5"])
def test_a_cursor_that_is_no_number_is_refused(http: httpx.Client, cursor: str) -> None:
    response, _ = first_delivery(http, "completed")
    reply = http.get(f"/responses/{response}?stream=true&starting_after={cursor}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "starting_after")


def test_the_stream_of_an_unknown_response_is_not_found(openai: OpenAI) -> None:
    with pytest.raises(sdk_errors.NotFoundError):
        openai.responses.retrieve("resp_1", stream=True)

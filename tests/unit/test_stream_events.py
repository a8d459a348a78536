"""OpenAI's stream events of every kind of item and every end, as the contract and the real SDK's types want them."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from deployments.history.responses import item_object, response_object
from deployments.history.stream_events import Scribe, StreamFrame
from events.v1.tokens_pb2 import Logprob, Operation, Seal, Terminal
from pipelines.composer import Composer
from pipelines.jobs import Fault, Job, Reference, Status
from pipelines.operations import Kind, Piece
from pipelines.payloads import Request
from tests.factories import job_id
from tests.open_responses import STREAMING_EVENTS

STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGE = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
REASONING = ["response.reasoning_text.done", "response.content_part.done", "response.output_item.done"]
FUNCTION_CALL = ["response.function_call_arguments.done", "response.output_item.done"]
ENDS = [  # the status, what is open when it comes, the events from there on, the status of that item
    ("completed", None, ["response.completed"], None),
    ("completed", "", [*MESSAGE, "response.completed"], "completed"),
    ("completed", "reasoning", [*REASONING, "response.completed"], "completed"),
    ("completed", "function_call", [*FUNCTION_CALL, "response.completed"], "completed"),
    ("incomplete", None, ["response.incomplete"], None),
    ("incomplete", "", [*MESSAGE, "response.incomplete"], "incomplete"),
    ("incomplete", "reasoning", [*REASONING, "response.incomplete"], "incomplete"),
    ("incomplete", "function_call", [*FUNCTION_CALL, "response.incomplete"], "incomplete"),
    ("failed", None, ["response.failed"], None),
    ("failed", "", [*MESSAGE, "response.failed"], "incomplete"),
    ("failed", "reasoning", [*REASONING, "response.failed"], "incomplete"),
    ("failed", "function_call", [*FUNCTION_CALL, "response.failed"], "incomplete"),
    ("cancelled", None, ["response.cancelled"], None),
    ("cancelled", "", [*MESSAGE, "response.cancelled"], "incomplete"),
    ("cancelled", "reasoning", [*REASONING, "response.cancelled"], "incomplete"),
    ("cancelled", "function_call", [*FUNCTION_CALL, "response.cancelled"], "incomplete"),
]


class Play:
    """A job that says something, and all the events that its readers see."""

    def __init__(self, *, background: bool = True) -> None:
        self.request = Request(model="scripted", messages=[], background=background)
        self.scribe = Scribe(job_id(), self.request)
        self.composer = Composer(job_id())
        self.frames = self.scribe.head()
        self.tell(self.composer.begin())

    def tell(self, operations: list[Operation]) -> None:
        self.frames += self.scribe.events(operations)

    def say(self, text: str, kind: str = "", **fields: Any) -> None:
        self.tell(self.composer.say(Piece(text=text, kind=Kind(kind), **fields)))

    def end(self, status: str) -> None:
        self.tell(self.composer.close(Status(status)))
        seal = Seal(terminal=Terminal(sequence=self.composer.next_sequence, status=status))
        output = [item_object(item) for item in self.composer.items]
        self.frames.append(self.scribe.terminal(seal, response_object(job(status), self.request, output)))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(frame.data) for frame in self.frames]

    @property
    def types(self) -> list[str]:
        return [frame.type.removeprefix("response.") for frame in self.frames]


def job(status: str) -> Job:
    return Job(
        id=job_id(),
        tenant="default",
        pipeline="generate",
        model="scripted",
        status=Status(status),
        step="infer",
        topic="t",
        ready_at=0.0,
        deadline_at=1.0,
        created_at=0.0,
        finished_at=1.0,
        fault=Fault("engine_died", "no good") if status == "failed" else None,
        reason="max_output_tokens" if status == "incomplete" else "",
        request=Reference("r", 1),
    )


def everything(status: str = "completed", *, background: bool = True) -> Play:
    """One item of each kind."""
    play = Play(background=background)
    for text in ("Let me ", "think."):
        play.say(text, "reasoning")
    for text in ("Héllo\n", "w\u2028rld \U0001f600"):
        play.say(text)
    for text in ('{"city":', '"Oslo"}'):
        play.say(text, "function_call", name="weather")
    play.end(status)
    return play


def check(frames: list[StreamFrame]) -> None:
    """Each event is one line, and what the SDK's strict mode and the Open Responses specification take."""
    for frame in frames:
        event = json.loads(frame.data)
        assert frame.sse == f"event: {frame.type}\n".encode() + b"data: " + frame.data + b"\n\n"
        assert (event["type"], event["sequence_number"]) == (frame.type, frame.sequence)
        assert len(frame.data.decode().splitlines()) == 1
        if frame.type != "response.cancelled":  # ours; the SDK has no such type
            assert STREAM_EVENT.validate_json(frame.data).type == frame.type
        if not frame.type.startswith(("response.cancelled", "response.reasoning_text")):
            STREAMING_EVENTS[frame.type].model_validate_json(frame.data)


@pytest.mark.parametrize(("status", "kind", "types", "item_status"), ENDS)
def test_every_end_is_told_as_the_table_says(
    status: str, kind: str | None, types: list[str], item_status: str | None
) -> None:
    play = Play()
    if kind is not None:
        play.say("x", kind, name="f" if kind == "function_call" else "")
    before = len(play.frames)
    play.end(status)
    ended = play.events[before:]
    assert [event["type"] for event in ended] == types
    assert ended[-1]["response"]["status"] == status
    if item_status is not None:
        assert ended[-2]["item"]["status"] == item_status
        assert ended[-1]["response"]["output"] == [ended[-2]["item"]]
    check(play.frames)


def test_a_background_stream_shows_each_kind_of_item_in_its_order() -> None:
    play = everything()
    check(play.frames)
    assert play.types == [
        "created",
        "queued",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event["response"]["status"] for event in play.events if "response" in event] == [
        "queued",
        "queued",
        "in_progress",
        "completed",
    ]


@pytest.mark.parametrize("background", [True, False])
def test_numbers_follow_each_other_from_0(*, background: bool) -> None:
    frames = everything(background=background).frames
    assert [frame.sequence for frame in frames] == list(range(len(frames)))


def test_a_foreground_stream_is_in_progress_from_the_first_and_shows_no_queue() -> None:
    play = everything(background=False)
    assert play.types[:3] == ["created", "in_progress", "output_item.added"]
    assert play.events[0]["response"]["status"] == "in_progress"
    check(play.frames)


def test_the_parts_of_an_item_agree() -> None:
    events = everything().events
    for index, (field, done) in enumerate(
        [("text", "reasoning_text.done"), ("text", "output_text.done"), ("arguments", "function_call_arguments.done")]
    ):
        ours = [event for event in events if event.get("output_index") == index]
        (whole,) = [event[field] for event in ours if event["type"] == f"response.{done}"]
        items = [event["item"] for event in ours if "item" in event]
        assert "".join(event["delta"] for event in ours if "delta" in event) == whole
        assert {item["id"] for item in items} == {event.get("item_id", items[0]["id"]) for event in ours}
        assert events[-1]["response"]["output"][index] == items[1]
        assert items[1]["content"][0]["text"] == whole if "content" in items[1] else items[1]["arguments"] == whole


def test_items_begin_empty() -> None:
    added = [event["item"] for event in everything().events if event["type"] == "response.output_item.added"]
    reasoning, message, call = added
    assert (reasoning["type"], reasoning["summary"], reasoning["content"]) == ("reasoning", [], [])
    assert (message["type"], message["role"], message["content"]) == ("message", "assistant", [])
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "weather", "")
    assert call["call_id"].startswith("call_")
    assert {item["status"] for item in added} == {"in_progress"}


def test_likelihoods_come_with_the_text_and_with_the_whole() -> None:
    play = Play()
    other = Logprob(utf8=b"b", logprob=-2.0)
    play.say("a", logprobs=(Logprob(utf8=b"a", logprob=-0.5, top=[other]),))
    play.say("c")
    play.end("completed")
    check(play.frames)
    deltas = [event["logprobs"] for event in play.events if event["type"] == "response.output_text.delta"]
    assert deltas[1] == []
    ((likely,),) = [deltas[0]]
    assert (likely["bytes"], likely["logprob"], likely["top_logprobs"][0]["bytes"]) == ([97], -0.5, [98])
    done, part, item, _ = play.events[-4:]
    assert done["logprobs"] == part["part"]["logprobs"] == item["item"]["content"][0]["logprobs"] == deltas[0]


def test_a_failed_response_says_why_in_a_code_that_strict_clients_know() -> None:
    play = Play()
    play.end("failed")
    assert play.events[-1]["response"]["error"] == {"code": "server_error", "message": "no good"}


def test_an_item_can_be_told_from_its_middle_on() -> None:
    composer = Composer(job_id())
    operations = composer.begin() + composer.say(Piece(text="a"))
    request = Request(model="scripted", messages=[])
    first = Scribe(job_id(), request)
    opened = {operations[1].open_item.index: operations[1].open_item}
    late = Scribe(job_id(), request, opened)
    assert late.events(operations[2:]) == first.events(operations)[-1:]

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ray.exceptions import RayActorError

from heliograph.client import Client, Job, connect
from heliograph.errors import ConnectError, JobCancelledError, JobFailedError
from heliograph.frames import EndFrame, EventFrame, Frame, TokenFrame
from pipelines.jobs import Fault, Status

Raw = dict[str, Any]


def event(number: int) -> Raw:
    view = {"id": f"evt_{number}", "type": "PromptRendered", "job_id": "resp_1", "step": "render", "attempt": 1}
    return {"type": "event", "event": view | {"created_at": 1.0, "data": {}}}


def token(sequence: int) -> Raw:
    return {"type": "token", "sequence_number": sequence, "text": f"t{sequence}"}


END: Raw = {"type": "end", "sequence_number": 9, "status": "completed", "error": None}
DEATH = RayActorError()


class Stream:
    """One connection: raises where it finds an exception."""

    def __init__(self, script: list[Raw | Exception]) -> None:
        self._script = script
        self.cancelled = False

    def __iter__(self) -> Iterator[Raw]:
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            yield step

    def cancel(self) -> None:
        self.cancelled = True


class Answer:
    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Handle:
    """Stands for Serve's handle; `streams` are the connections in turn, `jobs` what `job` answers in turn."""

    def __init__(self, *, streams: list[Stream] | None = None, jobs: list[Any] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._streams = streams or []
        self._jobs = jobs or []
        self._method = ""

    def __getattr__(self, method: str) -> "Handle":
        self._method = method
        return self

    def options(self, *, stream: bool) -> "Handle":
        assert stream
        return self

    def remote(self, *arguments: Any, tenant: str) -> Any:
        self.calls.append((self._method, *arguments, tenant))
        match self._method:
            case "stream":
                return self._streams.pop(0)
            case "submit":
                return Answer("resp_1")
            case _:
                return Answer(self._jobs.pop(0))


def job_on(handle: Handle) -> Job:
    return Job("resp_1", Client(handle, tenant="acme", patience_s=5))


def test_a_submit_sends_what_was_given_and_nothing_else() -> None:
    handle = Handle()
    job = Client(handle, tenant="acme").submit(model="m", prompt="p", metadata={"a": "b"}, idempotency_key="k")
    assert job.id == "resp_1"
    assert handle.calls == [("submit", {"model": "m", "prompt": "p", "metadata": {"a": "b"}}, "k", "acme")]


def test_a_stream_is_typed_and_ends() -> None:
    handle = Handle(streams=[Stream([event(1), token(5), END])])
    first, second, last = job_on(handle).stream()
    assert isinstance(first, EventFrame)
    assert second == TokenFrame(sequence_number=5, text="t5")
    assert last == EndFrame(sequence_number=9, status=Status.COMPLETED, fault=None)


def test_after_a_death_the_stream_goes_on_where_it_was() -> None:
    handle = Handle(streams=[Stream([event(1), token(5), DEATH]), Stream([event(1), event(2), token(6), END])])
    frames: list[Frame] = list(job_on(handle).stream())
    assert [frame.id for frame in frames if isinstance(frame, EventFrame)] == ["evt_1", "evt_2"]
    assert [frame.sequence_number for frame in frames if isinstance(frame, TokenFrame)] == [5, 6]
    assert handle.calls == [("stream", "resp_1", -1, "acme"), ("stream", "resp_1", 5, "acme")]


def test_a_reader_that_leaves_frees_the_replica() -> None:
    stream = Stream([event(1), token(5), END])
    frames = job_on(Handle(streams=[stream])).stream()
    next(frames)
    frames.close()
    assert stream.cancelled


def test_a_stream_without_an_end_is_an_error_rather_than_an_answer() -> None:
    handle = Handle(streams=[Stream([token(5)])])
    with pytest.raises(RuntimeError, match="broke off"):
        list(job_on(handle).stream())


def test_a_failed_job_raises_its_fault() -> None:
    view = {"status": "failed", "error": {"code": "deadline_exceeded", "message": "Too late."}}
    with pytest.raises(JobFailedError, match="Too late") as raised:
        job_on(Handle(jobs=[view])).result()
    assert raised.value.code == "deadline_exceeded"


def test_a_cancelled_job_raises() -> None:
    with pytest.raises(JobCancelledError, match="resp_1"):
        job_on(Handle(jobs=[{"status": "cancelled"}])).result()


def test_a_job_that_goes_on_times_out() -> None:
    with pytest.raises(TimeoutError, match="still queued"):
        job_on(Handle(jobs=[{"status": "queued"}])).result(timeout=0)


def test_a_look_survives_the_death_of_a_replica() -> None:
    assert job_on(Handle(jobs=[DEATH, {"status": "in_progress"}])).status is Status.IN_PROGRESS


def test_the_fault_of_a_failed_job_is_in_the_end_frame() -> None:
    end = END | {"status": "failed", "error": {"code": "server_error", "message": "broken"}}
    (frame,) = job_on(Handle(streams=[Stream([end])])).stream()
    assert frame == EndFrame(sequence_number=9, status=Status.FAILED, fault=Fault("server_error", "broken"))


def test_an_address_where_nobody_listens_is_a_connect_error() -> None:
    with socket.socket() as held:  # bound, not listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectError, match="no Heliograph at"):
            connect(f"127.0.0.1:{held.getsockname()[1]}")

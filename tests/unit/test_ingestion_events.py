"""OpenAI's events of a job through the service: resumed at every number, after restarts, by many readers, when slow."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.journal.sqlite import SqliteStore
from actors.telemetry.metrics import RecordedMetrics
from actors.token_log.protocol import Logged
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.token_log import TokenLog
from deployments.history.history import UnknownJobError
from deployments.history.stream_events import StreamFrame
from deployments.ingestion.readers import BATCH_BYTES, DrainError, Readers, Subject
from deployments.ingestion.sse import PING, EventStream
from deployments.ingestion.windows import Windows
from pipelines.commands import Delete
from pipelines.errors import TransientError
from pipelines.jobs import Status
from pipelines.operations import Kind, Piece
from pipelines.payloads import Message, Request
from tests.asgi_stream import AsgiStream
from tests.factories import make_ports
from tests.ingestion_house import House

PIECES = [
    Piece(kind=Kind.REASONING, text="Let me "),
    Piece(kind=Kind.REASONING, text="think."),
    Piece(text="Héllo "),
    Piece(text="wörld \U0001f600"),
    Piece(kind=Kind.FUNCTION_CALL, name="weather", text='{"city":'),
    Piece(kind=Kind.FUNCTION_CALL, name="weather", text='"Oslo"}'),
]


def open_house(folder: Path) -> House:
    """New processes on the stores of a folder."""
    stores = (
        SqliteStore(folder / "journal.sqlite", new_uuid="one"),
        SqliteTokenStore(folder / "tokens.sqlite", new_uuid="two"),
    )
    return House(folder, stores=stores)


async def close_house(house: House) -> None:
    await house.close()
    house.journal.close()
    house.token_log.close()


async def read(house: House, job_id: str, after: int = -1) -> list[StreamFrame]:
    subject = await house.service.subject(job_id)
    async with asyncio.timeout(20):
        return [frame async for frame in house.service.events(subject, after)]


def process(house: House, metrics: RecordedMetrics | None = None, **options: Any) -> Readers:
    """The readers of another ingestion process."""
    ports = make_ports()
    return Readers(
        journal=house.journal,
        token_log=house.token_log,
        history=house.service.history,
        blobs=house.blobs,
        ports=replace(ports, metrics=metrics or ports.metrics),
        **options,
    )


async def end(house: House, job_id: str, status: Status) -> None:
    """Take a job through all kinds of items to this end, the last item open."""
    job = await house.start()
    for piece in PIECES:
        await house.say(job, piece)
    if status is Status.FAILED:
        await house.reject(job)
    elif status is Status.CANCELLED:
        await house.service.cancel(job_id)
    else:
        await house.complete(job, status)
    await house.seal()


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("status", [Status.COMPLETED, Status.INCOMPLETE, Status.FAILED, Status.CANCELLED])
async def test_a_stream_resumed_at_any_number_is_the_rest_of_the_first(
    tmp_path: Path, status: Status, *, background: bool
) -> None:
    house = open_house(tmp_path)
    job_id = await house.accept(background=background)
    following = asyncio.create_task(read(house, job_id))
    await end(house, job_id, status)
    first = await following
    assert [frame.sequence for frame in first] == list(range(len(first)))
    assert (first[0].type, first[-1].type) == ("response.created", f"response.{status}")
    assert json.loads(first[-1].data)["response"] == await house.service.result(job_id)
    for after in range(-1, len(first) + 2):
        one, two = await asyncio.gather(read(house, job_id, after), read(house, job_id, after))
        assert one == two == first[max(after, -1) + 1 :]
    await close_house(house)
    again = open_house(tmp_path)
    for after in range(-1, len(first) + 2):
        assert await read(again, job_id, after) == first[max(after, -1) + 1 :]
    await close_house(again)


async def test_a_job_that_never_ran_has_a_head_and_an_end(house: House) -> None:
    job_id = await house.post()
    await house.service.cancel(job_id)
    await house.seal()
    types = [frame.type for frame in await read(house, job_id)]
    assert types == ["response.created", "response.queued", "response.cancelled"]


async def test_what_was_just_accepted_is_told_before_anything_is_read(house: House) -> None:
    job_id = await house.accept()
    request = Request(model="scripted", messages=[Message(role="user", content="Hi")])
    batches = house.service.event_batches(Subject(job_id, "default", request))
    assert [frame.type for frame in await anext(batches)] == ["response.created", "response.queued"]
    assert await read_head(house, job_id) == ["response.created", "response.queued"]
    await batches.aclose()


async def read_head(house: House, job_id: str) -> list[str]:
    batches = house.service.event_batches(await house.service.subject(job_id))
    frames = await anext(batches)
    await batches.aclose()
    return [frame.type for frame in frames]


async def test_another_tenants_job_has_no_stream(house: House) -> None:
    job_id = await house.post()
    with pytest.raises(UnknownJobError):
        await house.service.subject(job_id, "another")


async def test_a_slow_reader_misses_nothing_and_little_waits_for_it(house: House) -> None:
    metrics = RecordedMetrics()
    readers = process(house, metrics, windows=Windows(feed_bytes=2000))
    job_id = await house.accept()
    slow = readers.events(await house.service.subject(job_id))
    batches = [await anext(slow)]
    job = await house.start()
    await house.write(job, [])
    batches.append(await anext(slow))
    for number in range(1000):
        await house.write(job, [f"{number} "] * 3)
    await house.complete(job)
    await house.seal()
    batches += [batch async for batch in slow]
    await readers.close()
    frames = [frame for batch in batches for frame in batch]
    assert frames == await read(house, job_id)
    (most,) = metrics.values[("stream_waiting_bytes",)][-1:]
    assert max(sum(len(frame.sse) for frame in batch) for batch in batches if len(batch) > 1) <= most <= BATCH_BYTES
    assert sum(metrics.values[("stream_chunks", ("source", "page"))]) > 0


async def test_a_thousand_readers_see_every_byte_and_each_chunk_is_read_once(house: House) -> None:
    metrics = RecordedMetrics()
    readers = process(house, metrics)
    job_id = await house.accept()
    subject = await house.service.subject(job_id)
    clients = [AsgiStream(EventStream(readers.events(subject))) for _ in range(1000)]
    for client in clients:
        await client.__aenter__()
    reading = asyncio.gather(*(client.chunks() for client in clients))
    job = await house.start()
    chunks = 20
    for number in range(chunks - 1):
        await house.write(job, [f"{number} "])
        await asyncio.sleep(0)
    await house.complete(job)
    await house.seal()
    bodies = {b"".join(chunks).replace(PING, b"") for chunks in await reading}  # a slow machine is kept alive
    for client in clients:
        await client.__aexit__(None, None, None)
    await readers.close()
    assert bodies == {b"".join(frame.sse for frame in await read(house, job_id)) + b"data: [DONE]\n\n"}
    assert sum(metrics.values[("stream_chunks", ("source", "feed"))]) == chunks
    assert not metrics.values[("stream_chunks", ("source", "page"))]
    assert max(metrics.values[("stream_waiting_bytes",)]) <= BATCH_BYTES


async def test_a_reader_hears_of_silence(house: House) -> None:
    readers = process(house, silence_s=0.01)
    stream = readers.events(await house.service.subject(await house.post()))
    assert [len(await anext(stream)) for _ in range(3)] == [2, 0, 0]
    await stream.aclose()
    await readers.close()


async def test_a_server_that_ends_cuts_its_streams(house: House) -> None:
    subject = await house.service.subject(await house.post())
    async with AsgiStream(EventStream(house.service.event_batches(subject))) as client:
        assert (await client.chunk() or b"").startswith(b"event: response.created\n")
        house.service.drain()
        assert await client.chunks() == []
        assert not client.complete
    with pytest.raises(DrainError):
        _ = [frame async for frame in house.service.events(subject)]


async def test_a_server_that_leaves_lets_its_streams_end_and_then_cuts_them(house: House) -> None:
    subject = await house.service.subject(await house.post())
    async with AsgiStream(EventStream(house.service.event_batches(subject))) as client:
        assert (await client.chunk() or b"").startswith(b"event: response.created\n")
        await house.service.leave(0.01, asyncio.Event())
        assert await client.chunks() == []
        assert not client.complete


async def test_a_server_that_leaves_does_not_wait_when_nobody_reads(house: House) -> None:
    served = asyncio.Event()
    served.set()
    await asyncio.wait_for(house.service.leave(60, served), 5)


class Failing(TokenLog):
    """Fails to read while `failures` last."""

    failures = 0

    async def read(self, job_id: str, after: int, limit_bytes: int | None = None) -> Logged:
        if limit_bytes is not None and self.failures:
            self.failures -= 1
            raise TransientError("gone for a while")
        return await super().read(job_id, after, limit_bytes)


async def test_a_log_that_fails_for_a_while_costs_a_reader_time(tmp_path: Path) -> None:
    house = House(tmp_path, token_log=Failing)
    assert isinstance(house.token_log, Failing)
    job_id = await house.run()
    first = await read(house, job_id)
    house.token_log.failures = 1
    readers = process(house, windows=Windows(feed_bytes=1))
    subject = await house.service.subject(job_id)
    assert [frame async for batch in readers.events(subject) for frame in batch] == first
    assert house.token_log.failures == 0
    await readers.close()
    await house.close()


async def test_who_reads_a_job_that_is_deleted_sees_it_cancelled(house: House) -> None:
    job_id = await house.accept()
    stream = house.service.events(await house.service.subject(job_id))
    first = await anext(stream)
    await house.write(await house.start(), ["Hello"])
    await house.journal.delete([Delete(job_id=job_id, tenant="default")])
    await house.seal()
    frames = [first, *[frame async for frame in stream]]
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    assert frames[-1].type == "response.cancelled"
    assert json.loads(frames[-1].data)["response"]["status"] == "cancelled"
    with pytest.raises(UnknownJobError):
        await house.service.subject(job_id)

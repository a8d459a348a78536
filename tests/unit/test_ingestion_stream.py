"""`WS /jobs/{id}/stream`, from the socket to the logs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.asgi_socket import AsgiSocket
from tests.ingestion_house import House

UNKNOWN = "resp_0000000000000000000000000000"


def kinds(frames: list[dict[str, object]]) -> list[object]:
    return [frame["type"] for frame in frames]


def text(frames: list[dict[str, object]]) -> str:
    return "".join(str(frame["text"]) for frame in frames if frame["type"] == "token")


async def test_a_finished_job_is_replayed_to_its_one_end(house: House) -> None:
    job_id = await house.run()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream") as socket:
        frames = await socket.frames()
    assert sorted(map(str, kinds(frames))) == ["end"] + 5 * ["event"] + 2 * ["token"]
    assert text(frames) == "Hello there"
    assert frames[-1] == {"type": "end", "sequence_number": 10, "status": "completed", "error": None}
    assert socket.code == 1000


async def test_a_running_job_is_followed_as_it_goes(house: House) -> None:
    job_id = await house.post()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream") as socket:
        assert (await socket.next() or {})["event"]["type"] == "JobSubmitted"
        job = await house.start()
        assert [(await socket.next() or {})["event"]["type"] for _ in range(2)] == [
            "PromptRendered",
            "InferenceStarted",
        ]
        for word in ("Hello", " there"):
            await house.write(job, [word])
            assert (await socket.next() or {})["text"] == word
        await house.complete(job)
        await house.seal()
        assert kinds(await socket.frames()) == ["event", "event", "end"]


async def test_a_reader_resumes_after_a_number(house: House) -> None:
    job_id = await house.run()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream?starting_after=5") as socket:
        frames = await socket.frames()
    assert text(frames) == " there"
    assert kinds(frames).count("event") == 5
    assert kinds(frames).count("end") == 1


async def test_a_reader_that_has_seen_everything_gets_the_end_again(house: House) -> None:
    job_id = await house.run()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream?starting_after=1000") as socket:
        frames = await socket.frames()
    assert kinds(frames) == 5 * ["event"] + ["end"]


@pytest.mark.parametrize("sealed", [True, False])
async def test_a_job_that_failed_unseen_ends_with_its_error(house: House, *, sealed: bool) -> None:
    job_id = await house.post()
    await house.reject(await house.start())
    if sealed:
        await house.seal()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream") as socket:
        end = (await socket.frames())[-1]
    error = {"code": "context_length_exceeded", "message": "no good"}
    assert (end["type"], end["status"], end["error"]) == ("end", "failed", error)


async def test_a_reader_asks_for_the_seal_that_nobody_makes(house: House) -> None:
    job_id = await house.post()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream") as socket:
        assert (await socket.next() or {})["type"] == "event"
        await house.service.cancel(job_id)
        frames = await socket.frames()
    assert kinds(frames) == ["event", "event", "end"]
    assert frames[-1]["status"] == "cancelled"


async def test_many_readers_of_one_job_see_the_same(house: House) -> None:
    job_id = await house.post()
    job = await house.start()
    sockets = [AsgiSocket(house.app, f"/jobs/{job_id}/stream") for _ in range(3)]
    async with sockets[0], sockets[1]:
        await house.write(job, ["Hello"])
        async with sockets[2]:
            await house.write(job, [" there"])
            await house.complete(job)
            await house.seal()
            streams = await asyncio.gather(*(socket.frames() for socket in sockets))
    assert {text(frames) for frames in streams} == {"Hello there"}
    assert all(kinds(frames).count("end") == 1 for frames in streams)


async def test_a_client_that_leaves_is_noticed_while_nothing_is_sent(house: House) -> None:
    job_id = await house.post()
    async with AsgiSocket(house.app, f"/jobs/{job_id}/stream") as socket:
        await socket.next()
    assert socket.task is not None
    assert socket.task.done()
    assert len(house.service._readers._feeds) == 0


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        (f"/jobs/{UNKNOWN}/stream", 404, None),
        ("/jobs/nonsense/stream", 404, None),
        ("/jobs/{}/stream?starting_after=-1", 400, "starting_after"),
        ("/jobs/{}/stream?starting_after=x", 400, "starting_after"),
        ("/jobs/{}/stream?starting_after=" + "9" * 30, 400, "starting_after"),
    ],
)
async def test_bad_requests_get_an_error_frame_and_a_close(
    house: House, path: str, status: int, param: str | None
) -> None:
    job_id = await house.post()
    async with AsgiSocket(house.app, path.format(job_id)) as socket:
        (frame,) = await socket.frames()
    assert (frame["type"], frame["status"], frame["error"]["param"]) == ("error", status, param)
    assert socket.code == 1008


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path, tenants={"secret": "alice"})
    yield house
    await house.close()


async def test_a_stream_needs_a_known_token(guarded: House) -> None:
    async with AsgiSocket(guarded.app, f"/jobs/{UNKNOWN}/stream") as socket:
        assert await socket.frames() == []
    assert socket.code == 1008


async def test_a_known_token_reaches_its_tenant(guarded: House) -> None:
    headers = {"authorization": "Bearer secret"}
    async with AsgiSocket(guarded.app, f"/jobs/{UNKNOWN}/stream", headers=headers) as socket:
        assert [frame["status"] for frame in await socket.frames()] == [404]

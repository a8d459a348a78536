"""The main job from outside: submit, watch, read, cancel; and workers that fail."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.acceptance.client import Client, text_of
from tests.servers import ServerProcess

STORY = ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.http.close()


def test_a_template_becomes_a_stored_result(client: Client) -> None:
    job_id = client.submit(template="explain", variables={"topic": "rain", "audience": "cats"})
    job = client.wait(job_id)
    assert (job["status"], job["error"]) == ("completed", None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert client.events(job_id) == STORY
    assert client.output_text(job_id)


def test_every_link_of_a_job_leads_somewhere(client: Client) -> None:
    links = client.get(f"/jobs/{client.submit()}")["links"]
    for name in ("self", "events", "response"):
        assert client.get(links[name])
    assert list(client.stream(links["stream"].split("/")[2]))[-1]["type"] == "end"


def test_a_reader_sees_events_tokens_and_one_end(client: Client) -> None:
    job_id = client.submit({"tokens": 20, "delay_ms": 5})
    frames = list(client.stream(job_id))
    assert [frame["event"]["type"] for frame in frames if frame["type"] == "event"] == STORY
    assert [frame["type"] for frame in frames].index("end") == len(frames) - 1
    assert frames[-1]["status"] == "completed"
    assert text_of(frames) == client.output_text(job_id)
    numbers = [frame["sequence_number"] for frame in frames if "sequence_number" in frame]
    assert numbers == sorted(set(numbers))


def test_a_reader_resumes_where_it_was(client: Client) -> None:
    job_id = client.submit({"tokens": 10, "delay_ms": 20})
    whole = list(client.stream(job_id))
    first, *others = [frame for frame in whole if frame["type"] == "token"]
    assert others
    rest = list(client.stream(job_id, first["sequence_number"]))
    assert [frame for frame in rest if frame["type"] == "token"] == others
    assert rest[-1] == whole[-1]


def test_readers_at_once_see_the_same(client: Client) -> None:
    job_id = client.submit({"tokens": 30, "delay_ms": 10})
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda _: list(client.stream(job_id)), range(4)))
    shown = [[frame for frame in frames if frame["type"] != "event"] for frames in streams]
    assert all(frames == shown[0] for frames in shown)


def test_a_cancelled_job_is_final_at_once(client: Client) -> None:
    job_id = client.submit({"tokens": 1000, "delay_ms": 50})
    stream = client.stream(job_id)
    shown = next(frame["text"] for frame in stream if frame["type"] == "token")
    assert client.http.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    first = client.get(f"/v1/responses/{job_id}")
    rest = list(stream)
    assert rest[-1]["status"] == "cancelled"
    assert client.get(f"/v1/responses/{job_id}") == first
    assert client.output_text(job_id) == shown + text_of(rest)
    assert client.events(job_id)[-1] == "JobCancelled"


def test_a_job_outlives_its_readers(client: Client) -> None:
    job_id = client.submit({"tokens": 20, "delay_ms": 10})
    next(client.stream(job_id))
    assert client.wait(job_id)["status"] == "completed"


def test_a_worker_that_raises_is_given_the_job_again(client: Client) -> None:
    job_id = client.submit({"tokens": 10, "fail": "raise", "at": 5, "attempts": 1})
    undisturbed = client.submit({"tokens": 10})
    job = client.wait(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert "JobRetried" in client.events(job_id)
    client.wait(undisturbed)
    assert client.output_text(job_id) == client.output_text(undisturbed)


def test_a_worker_that_always_raises_fails_the_job_with_the_reason(client: Client) -> None:
    job = client.wait(client.submit({"fail": "raise"}))
    assert job["status"] == "failed"
    assert "ScriptedError" in job["error"]["message"]
    assert client.events(job["job_id"]).count("JobRetried") == 4
    assert client.get(f"/v1/responses/{job['job_id']}")["error"]["code"] == "server_error"


def test_a_job_ends_at_its_deadline(client: Client) -> None:
    job_id = client.submit({"fail": "hang"}, deadline_s=1)
    end = list(client.stream(job_id))[-1]
    assert (end["type"], end["status"], end["error"]["code"]) == ("end", "failed", "deadline_exceeded")


def test_many_jobs_at_once_all_end(client: Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda i: client.submit(prompt=f"Number {i}"), range(200)))
    assert len(set(ids)) == 200
    assert {client.wait(job_id)["status"] for job_id in ids} == {"completed"}


def test_pages_of_jobs_meet_without_a_gap(client: Client) -> None:
    ids = sorted((client.submit() for _ in range(5)), reverse=True)
    first = client.get("/jobs", limit=3)
    rest = client.get("/jobs", limit=3, after=first["last_id"])
    listed = [job["job_id"] for job in first["data"] + rest["data"]]
    assert listed[:5] == ids
    assert first["has_more"] is True


@pytest.mark.parametrize("job_id", ["resp_0000000000000000000000000000", "nonsense"])
def test_the_stream_of_an_unknown_job_is_an_error_and_a_close(server: ServerProcess, job_id: str) -> None:
    with connect(f"{server.socket_url}/jobs/{job_id}/stream") as socket:
        frame = json.loads(socket.recv())
        assert (frame["status"], set(frame["error"])) == (404, {"message", "type", "param", "code"})
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_the_server_is_alive_and_ready(client: Client) -> None:
    assert client.get("/health") == {"status": "ok"}
    assert client.get("/ready") == {"status": "ready"}

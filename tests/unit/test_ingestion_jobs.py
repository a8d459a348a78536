import httpx
import pytest

from events.ids import is_id
from events.v1.events_pb2 import Envelope
from pipelines.commands import INLINE_BYTES
from tests.ingestion_house import House


async def test_a_submitted_job_is_answered_with_its_id_and_links(house: House) -> None:
    reply = await house.client.post("/async-generate", json={"model": "scripted", "prompt": "Hi"})
    body = reply.json()
    assert (reply.status_code, body["status"]) == (202, "queued")
    assert is_id(body["job_id"])
    assert body["links"] == {
        "self": f"/jobs/{body['job_id']}",
        "events": f"/jobs/{body['job_id']}/events",
        "stream": f"/jobs/{body['job_id']}/stream",
        "response": f"/v1/responses/{body['job_id']}",
    }


@pytest.mark.parametrize(
    "source",
    [
        {"prompt": "Hi"},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
        {"template": "explain", "variables": {"topic": "rain", "audience": "cats"}},
    ],
)
async def test_every_kind_of_prompt_is_accepted(house: House, source: dict[str, object]) -> None:
    reply = await house.client.post("/async-generate", json={"model": "scripted", **source})
    assert reply.status_code == 202


async def test_a_job_shows_how_far_it_is(house: House) -> None:
    job_id = await house.post()
    await house.start()
    job = (await house.client.get(f"/jobs/{job_id}")).json()
    assert (job["job_id"], job["status"], job["model"], job["step"]) == (job_id, "in_progress", "scripted", "infer")
    assert job["attempts"] == 1
    assert job["finished_at"] is None


async def test_events_tell_the_story_in_order(house: House) -> None:
    job_id = await house.run()
    events = (await house.client.get(f"/jobs/{job_id}/events")).json()
    assert [event["type"] for event in events["data"]] == [
        "JobSubmitted",
        "PromptRendered",
        "InferenceStarted",
        "InferenceCompleted",
        "ResultStored",
    ]
    assert events["has_more"] is False
    completed = events["data"][3]
    assert completed["data"]["usage"] == {"input_tokens": 3, "output_tokens": 2, "cached_tokens": 0}
    assert isinstance(completed["data"]["end"], int)


async def test_a_large_prompt_is_stored_apart_and_read_back(house: House) -> None:
    job_id = await house.post(prompt="x" * 2 * INLINE_BYTES)
    response = (await house.client.get(f"/v1/responses/{job_id}")).json()
    assert response["status"] == "queued"
    (job,) = await house.journal.jobs("default", [job_id])
    assert job is not None
    assert await house.journal.blobs("default", [job.request]) == [None]  # the journal has only its count


async def traces(house: House, job_id: str) -> set[str]:
    """What its events say of where they belong."""
    return {Envelope.FromString(event).traceparent for event in await house.journal.events("default", job_id, None, 10)}


async def test_a_clients_trace_is_honoured(house: House) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"model": "scripted", "prompt": "Hi"}
    reply = await house.client.post("/async-generate", json=body, headers={"traceparent": trace})
    assert await traces(house, reply.json()["job_id"]) == {trace}


@pytest.mark.parametrize("trace", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
async def test_a_job_without_a_valid_trace_gets_its_own(house: House, trace: str) -> None:
    body = {"model": "scripted", "prompt": "Hi"}
    reply = await house.client.post("/async-generate", json=body, headers={"traceparent": trace})
    (made,) = await traces(house, reply.json()["job_id"])
    assert len(made) == 55
    assert made != trace


async def test_cancel_is_final_at_once_and_may_be_repeated(house: House) -> None:
    job_id = await house.post()
    first, again = [await house.client.post(f"/jobs/{job_id}/cancel") for _ in range(2)]
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert again.json() == first.json()


async def test_a_finished_job_cannot_be_cancelled(house: House) -> None:
    job_id = await house.run()
    reply = await house.client.post(f"/jobs/{job_id}/cancel")
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "Cannot cancel a completed response."


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/events", "/v1/responses/{}"])
@pytest.mark.parametrize("job_id", ["resp_0000000000000000000000000000", "nonsense"])
async def test_an_unknown_job_is_not_found(house: House, path: str, job_id: str) -> None:
    reply = await house.client.get(path.format(job_id))
    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == f"Response with id '{job_id}' not found."


async def test_readiness_needs_workers_and_health_does_not(house: House) -> None:
    health, ready = await house.client.get("/health"), await house.client.get("/ready")
    assert health.status_code == 200
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "not_ready")
    assert ready.headers["retry-after"] == "1"


async def test_there_are_no_metrics_where_nobody_exposes_them(house: House) -> None:
    assert (await house.client.get("/metrics")).status_code == 404


async def test_every_reply_names_itself_and_its_duration(house: House) -> None:
    replies: list[httpx.Response] = [await house.client.get(path) for path in ("/health", "/nowhere")]
    for reply in replies:
        assert reply.headers["x-request-id"].startswith("req_")
        assert int(reply.headers["openai-processing-ms"]) >= 0
    assert replies[0].headers["x-request-id"] != replies[1].headers["x-request-id"]

"""`/dead-letters` over HTTP."""

import asyncio

from deployments.history.history import MOST_ATTEMPTS
from pipelines.errors import outcome_of
from pipelines.jobs import ClaimedJob
from tests.factories import INFERENCE, PROMPTING, claim, make_ports
from tests.ingestion_house import House


async def give_up(house: House, job_id: str = "") -> str:
    """A job that has failed once, and then killed its worker three times; its id."""
    job_id = job_id or await house.post()
    await house.outcome(await claim_again(house), outcome_of(ValueError("boom")))
    for _ in range(3):
        await claim_again(house)
        await house.journal.orphan("w1", crashed=True)
    return job_id


async def claim_again(house: House) -> ClaimedJob:
    """The one job, once its backoff is over."""
    ids = make_ports().ids
    async with asyncio.timeout(10):
        while True:
            await house.journal.tick()
            for topic in (PROMPTING, INFERENCE):  # where those begin that are redriven, and those that are plain
                if claims := await house.journal.claim(claim(topic, claim_id=ids.new("claim"))):
                    return claims[0]


async def test_a_dead_letter_shows_its_references_and_every_attempt(house: House) -> None:
    job_id = await give_up(house)
    (listed,) = (await house.client.get("/dead-letters")).json()["data"]
    assert (listed["id"], listed["error"]) == (job_id, {"code": "worker_crashed", "kind": "WorkerCrashed"})
    letter = (await house.client.get(f"/dead-letters/{job_id}")).json()
    assert [(attempt["attempt"], attempt["worker"]) for attempt in letter["attempts"]] == [
        (n, "w1") for n in (1, 2, 3, 4)
    ]
    assert "ValueError: boom" in letter["attempts"][0]["traceback"]
    assert letter["references"]["request"]


async def test_a_letter_is_redriven_once(house: House) -> None:
    job_id = await give_up(house)
    replies = [await house.client.post(f"/dead-letters/{job_id}/redrive") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [202, 202]
    (new_id,) = {reply.json()["job_id"] for reply in replies}
    assert (await house.client.get(f"/jobs/{new_id}")).json()["status"] == "queued"
    assert (await house.client.get("/dead-letters")).json()["data"][0]["redriven_as"] == new_id


async def test_a_letter_waits_while_its_conversation_takes_another_response(house: House) -> None:
    conversation = (await house.client.post("/v1/conversations")).json()["id"]
    body = {"model": "scripted", "input": "Hi", "background": True, "conversation": conversation}
    job_id = await give_up(house, (await house.client.post("/v1/responses", json=body)).json()["id"])
    assert (await house.client.post("/v1/responses", json=body)).status_code == 200
    refused = await house.client.post(f"/dead-letters/{job_id}/redrive")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conversation_locked")
    assert "retry-after" in refused.headers


async def test_a_filter_redrives_what_it_finds_and_a_dry_run_nothing(house: House) -> None:
    job_id = await give_up(house)
    body = {"filter": {"error": "worker_crashed"}, "dry_run": True}
    dry = (await house.client.post("/dead-letters/redrive", json=body)).json()
    assert dry["data"] == [{"dead_letter": job_id, "job_id": None}]
    other = await house.client.post("/dead-letters/redrive", json={"filter": {"error": "server_error"}})
    assert other.json()["data"] == []
    (redriven,) = (await house.client.post("/dead-letters/redrive", json={"per_second": 5})).json()["data"]
    assert redriven["dead_letter"] == job_id
    assert redriven["job_id"]
    assert (await house.client.post("/dead-letters/redrive")).json()["data"] == []


async def test_what_is_no_dead_letter_is_not_found(house: House) -> None:
    job_id = await house.post()
    for method, path in [("GET", ""), ("POST", "/redrive")]:
        reply = await house.client.request(method, f"/dead-letters/{job_id}{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "response_not_found")


async def test_a_malformed_redrive_is_refused(house: House) -> None:
    reply = await house.client.post("/dead-letters/redrive", json={"per_second": 0})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "per_second")


async def test_a_job_that_was_tried_for_days_shows_its_last_attempts(house: House) -> None:
    job_id = await house.post()
    for _ in range(MOST_ATTEMPTS + 5):
        await claim_again(house)
        await house.journal.orphan("w1", crashed=False)
    for _ in range(3):
        await claim_again(house)
        await house.journal.orphan("w1", crashed=True)
    attempts = (await house.client.get(f"/dead-letters/{job_id}")).json()["attempts"]
    assert len(attempts) == MOST_ATTEMPTS
    assert [attempt["error"]["kind"] for attempt in attempts[-4:]] == ["WorkerLost"] + ["WorkerCrashed"] * 3

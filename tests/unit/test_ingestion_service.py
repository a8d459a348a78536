"""Ingestion as the Python SDK calls it, by handle."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from actors.journal.limits import Limits, TenantLimits
from deployments.history.history import UnknownJobError
from deployments.ingestion.errors import ApiError
from pipelines.commands import INLINE_BYTES
from tests.factories import INFERENCE, claim
from tests.ingestion_house import House

RESPONSE = {"model": "scripted", "input": "Hi", "background": True}


async def test_a_job_is_submitted_watched_and_read(house: House) -> None:
    job_id = await house.service.submit({"model": "scripted", "prompt": "Hi"})
    job = await house.start()
    await house.write(job, ["Hello"])
    await house.complete(job)
    frames = [frame async for frame in house.service.stream(job_id)]
    assert frames[-1]["status"] == "completed"
    assert (await house.service.job(job_id))["status"] == "completed"
    assert (await house.service.result(job_id))["output"][0]["content"][0]["text"] == "Hello"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "scripted"}, 400, "missing_required_parameter"),
        ({"model": "scripted", "prompt": 5}, 400, "invalid_type"),
        ({"model": "nobody", "prompt": "Hi"}, 404, "model_not_found"),
        ({"model": "scripted", "template": "nowhere"}, 404, "template_not_found"),
    ],
)
async def test_a_refusal_survives_the_way_between_processes(
    house: House, body: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await house.service.submit(body)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (again.status, again.code) == (status, code)


async def test_tenants_do_not_see_each_other(house: House) -> None:
    job_id = await house.service.submit({"model": "scripted", "prompt": "Hi"}, "alice")
    assert await house.service.job(job_id, "alice")
    for look in (house.service.job, house.service.result, house.service.cancel):
        with pytest.raises(UnknownJobError):
            await look(job_id, "bob")


async def test_a_stream_that_is_dropped_stops_being_read(house: House) -> None:
    stream = house.service.stream(await house.service.submit({"model": "scripted", "prompt": "Hi"}))
    await anext(stream)
    await stream.aclose()
    assert len(house.service._readers._feeds) == 0


async def test_a_full_backlog_is_a_429_that_says_when_to_come_again(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(backlog=0))
    reply = await house.client.post("/async-generate", json={"model": "scripted", "prompt": "Hi"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert reply.headers["retry-after"] == "1"
    await house.close()


async def test_a_tenant_with_too_many_open_jobs_gets_a_429_that_says_when_to_come_again(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(tenants={"*": TenantLimits(jobs=1)}))
    await house.post()
    for route, body in (("/async-generate", {"model": "scripted", "prompt": "Hi"}), ("/v1/responses", RESPONSE)):
        reply = await house.client.post(route, json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "account" in reply.json()["error"]["message"]
        assert reply.headers["retry-after"] == "1"
    await house.close()


async def test_a_dead_letter_beyond_the_limit_of_open_jobs_is_not_redriven(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(tenants={"*": TenantLimits(jobs=1)}))
    dead = await house.post()
    await house.start()
    for worker in ("w1", "w2", "w3"):
        await house.journal.orphan(worker, crashed=True)
        await house.journal.claim(claim(INFERENCE, worker=f"w{int(worker[1]) + 1}"))
    await house.post()
    reply = await house.client.post(f"/dead-letters/{dead}/redrive")
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    await house.close()


async def test_payloads_that_cannot_be_stored_are_a_503_that_says_when_to_come_again(tmp_path: Path) -> None:
    (tmp_path / "payloads").write_text("a file where a folder should be")
    house = House(tmp_path / "payloads")
    body = {"model": "scripted", "prompt": "x" * 2 * INLINE_BYTES}
    reply = await house.client.post("/async-generate", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "server_error")
    assert reply.headers["retry-after"] == "1"
    await house.close()


FRUGAL = Limits(token_budgets={"default": 40})


async def test_a_job_beyond_the_budget_is_a_429_that_asks_nobody_to_come_again(tmp_path: Path) -> None:
    house = House(tmp_path, limits=FRUGAL)
    body = {"model": "scripted", "prompt": "Hi"}
    await house.post(max_output_tokens=20)
    await house.post()  # the model's default: 16
    reply = await house.client.post("/v1/responses", json={**RESPONSE, "max_output_tokens": 16})
    assert (reply.status_code, reply.json()["error"]["type"]) == (429, "insufficient_quota")
    assert reply.json()["error"]["code"] == "insufficient_quota"
    assert reply.headers["x-should-retry"] == "false"
    assert "retry-after" not in reply.headers
    with pytest.raises(ApiError, match="budget"):
        await house.service.submit(body)
    await house.post(max_output_tokens=4)
    await house.close()


async def test_a_dead_letter_beyond_the_budget_is_not_redriven(tmp_path: Path) -> None:
    house = House(tmp_path, limits=FRUGAL)
    dead = await house.post(max_output_tokens=30)
    await house.start()
    for worker in ("w1", "w2", "w3"):
        await house.journal.orphan(worker, crashed=True)
        await house.journal.claim(claim(INFERENCE, worker=f"w{int(worker[1]) + 1}"))
    await house.post(max_output_tokens=30)
    reply = await house.client.post(f"/dead-letters/{dead}/redrive")
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "insufficient_quota")
    await house.close()

"""`POST /jobs`: many jobs in one request."""

from pathlib import Path
from typing import Any

import pytest

from actors.journal.journal import Journal
from actors.journal.limits import Limits
from deployments.ingestion.bodies import GenerateBody
from deployments.ingestion.bulk import MOST_JOBS
from deployments.ingestion.errors import ApiError
from pipelines.commands import INLINE_BYTES, Answer
from pipelines.errors import TransientError
from pipelines.payloads import Request
from tests.ingestion_house import House

HI: dict[str, Any] = {"model": "scripted", "prompt": "Hi"}
TEXT_PART = {"type": "input_text", "text": "Hi"}


class CountingJournal(Journal):
    """Knows the sizes of the calls in which jobs came."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.calls: list[int] = []

    async def submit(self, batch: Any) -> list[Answer]:
        self.calls.append(len(batch))
        return await super().submit(batch)


class AwayJournal(Journal):
    """Cannot be reached."""

    async def submit(self, batch: Any) -> list[Answer]:
        raise TransientError(f"{len(batch)} jobs could not be submitted")


async def post(house: House, *jobs: Any, key: str = "") -> list[dict[str, Any]]:
    reply = await house.client.post("/jobs", json={"jobs": jobs}, headers={"Idempotency-Key": key} if key else {})
    assert reply.status_code == 202, reply.text
    data: list[dict[str, Any]] = reply.json()["data"]
    return data


async def test_all_jobs_are_accepted_in_one_call_of_the_journal_and_in_their_order(tmp_path: Path) -> None:
    house = House(tmp_path, journal=CountingJournal)
    told = await post(house, *[HI | {"prompt": f"Hi {n}", "priority": n % 3} for n in range(50)])
    assert isinstance(house.journal, CountingJournal)
    assert house.journal.calls == [50]
    jobs = await house.journal.jobs("default", [each["job_id"] for each in told])
    assert [job.priority for job in jobs if job] == [n % 3 for n in range(50)]
    requests = await house.blobs.get_many([("default", job.request, None) for job in jobs if job])
    assert [f'"Hi {n}"'.encode() in request for n, request in enumerate(requests)] == [True] * 50


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": "Hi"},
        {
            "prompt": "Hi",
            "temperature": 0,
            "top_p": 0.5,
            "max_output_tokens": 7,
            "priority": -3,
            "metadata": {"a": "b"},
        },
        {"prompt": "Hi", "temperature": 1.0, "priority": 0, "metadata": {}},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [TEXT_PART]}]},
        {"template": "summary", "variables": {"text": "moon"}},
        {"template": "summary"},
    ],
)
def test_the_payload_says_what_the_request_says(more: dict[str, Any]) -> None:
    body = GenerateBody.model_validate({"model": "scripted"} | more)
    assert Request.model_validate_json(body.payload()) == body.request()


async def test_each_bad_job_is_refused_alone_and_says_why(house: House) -> None:
    told = await post(house, HI, {"model": "nobody", "prompt": "Hi"}, {"model": "scripted"}, HI | {"top_p": 7}, HI)
    assert ["job_id" in each for each in told] == [True, False, False, False, True]
    errors = [each["error"] for each in told if "error" in each]
    assert [error["code"] for error in errors] == ["model_not_found", "missing_required_parameter", "invalid_value"]
    assert errors[2]["param"] == "top_p"
    assert set(errors[0]) == {"message", "type", "param", "code"}


async def test_large_prompts_and_prompts_that_are_too_long(house: House) -> None:
    large, too_long = "x" * (INLINE_BYTES + 1), "word " * 5000
    first, second = await post(house, HI | {"prompt": large}, HI | {"prompt": too_long})
    (job,) = await house.journal.jobs("default", [first["job_id"]])
    assert job is not None
    assert large.encode() in (await house.blobs.get_many([("default", job.request, None)]))[0]
    assert second["error"]["code"] == "context_length_exceeded"


async def test_the_same_key_gives_the_same_jobs_and_another_body_under_it_a_conflict(house: House) -> None:
    first = await post(house, HI, HI, key="once")
    again = await post(house, HI, HI | {"prompt": "Ho"}, HI, key="once")
    assert first[0] != first[1]
    assert again[0] == first[0]
    assert again[1]["error"]["code"] == "idempotency_conflict"
    assert "job_id" in again[2]


async def test_what_the_backlog_has_no_room_for_is_refused_alone(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(backlog=2))
    told = await post(house, HI, HI, HI)
    assert [each.get("error", {}).get("code") for each in told] == [None, None, "rate_limit_exceeded"]


@pytest.mark.parametrize("jobs", [[], [HI] * (MOST_JOBS + 1), "no list", [1], None])
async def test_what_is_no_list_of_jobs_is_refused(house: House, jobs: Any) -> None:
    reply = await house.client.post("/jobs", json={"jobs": jobs})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"].startswith("jobs")


async def test_where_nothing_is_known_the_client_is_to_come_again(tmp_path: Path) -> None:
    reply = await House(tmp_path, journal=AwayJournal).client.post("/jobs", json={"jobs": [HI]})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")


async def test_the_python_client_gets_ids_and_errors(house: House) -> None:
    job_id, error = await house.service.submit_many([HI, {"model": "nobody", "prompt": "Hi"}])
    assert isinstance(job_id, str)
    assert isinstance(error, ApiError)
    assert error.code == "model_not_found"
    with pytest.raises(ApiError):
        await house.service.submit_many([])

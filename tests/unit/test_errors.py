"""What clients are told of faults, and who may ask at all."""

import pickle
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from actors.journal.journal import Journal
from actors.stores import StoreUnavailableError
from deployments.ingestion.errors import ApiError
from pipelines.commands import Answer, Submit, Verdict
from pipelines.errors import TransientError
from pipelines.jobs import Job
from tests.factories import job_id
from tests.ingestion_house import House

BODY = {"model": "scripted", "prompt": "Hi"}


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path, tenants={"secret-a": "alice", "secret-b": "bob"})
    yield house
    await house.close()


class Away(Journal):
    """A journal that cannot be reached."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        raise TransientError(f"the journal is away; {len(batch)} jobs wait")


class Busy(Journal):
    """A journal whose store does not answer, and says when it may."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        raise StoreUnavailableError(f"no room for {len(batch)} jobs", retry_after_s=2.5)

    async def jobs(self, tenant: str, ids: Sequence[str]) -> list[Job | None]:
        raise StoreUnavailableError(f"no answer about {len(ids)} jobs of {tenant}", retry_after_s=0.1)


class Broken(Journal):
    """A journal that fails for every row."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        return [Answer(Verdict.ERROR, detail="secrets of the house") for _ in batch]


async def test_an_unreachable_journal_is_a_503_to_come_back_after(tmp_path: Path) -> None:
    reply = await House(tmp_path, journal=Away).client.post("/async-generate", json=BODY)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json()["error"]["type"] == "server_error"


async def test_a_store_that_does_not_answer_says_after_how_many_whole_seconds_to_come_again(tmp_path: Path) -> None:
    client = House(tmp_path, journal=Busy).client
    refused = await client.post("/async-generate", json=BODY)
    looks = [await client.get(f"{path}/{job_id()}") for path in ("/jobs", "/v1/responses")]
    replies = [(reply.status_code, reply.headers["retry-after"]) for reply in (refused, *looks)]
    assert replies == [(503, "3"), (503, "1"), (503, "1")]


async def test_an_unforeseen_fault_is_a_500_that_tells_nothing(tmp_path: Path) -> None:
    reply = await House(tmp_path, journal=Broken).client.post("/async-generate", json=BODY)
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "server_error")
    assert "secrets" not in reply.text
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("token", ["", "Bearer wrong", "Basic secret-a", "secret-a"])
async def test_an_unknown_token_is_a_401(guarded: House, token: str) -> None:
    reply = await guarded.client.get("/jobs", headers={"authorization": token})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    assert reply.headers["x-request-id"]


async def test_probes_need_no_token(guarded: House) -> None:
    assert (await guarded.client.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/events", "/v1/responses/{}"])
async def test_another_tenants_job_looks_like_none(guarded: House, path: str) -> None:
    alice, bob = ({"authorization": f"Bearer secret-{name}"} for name in "ab")
    job_id = (await guarded.client.post("/async-generate", json=BODY, headers=alice)).json()["job_id"]
    mine, theirs = [await guarded.client.get(path.format(job_id), headers=who) for who in (alice, bob)]
    assert (mine.status_code, theirs.status_code) == (200, 404)
    assert (await guarded.client.post(f"/jobs/{job_id}/cancel", headers=bob)).status_code == 404
    assert (await guarded.client.get("/jobs", headers=bob)).json()["data"] == []


async def test_without_tenants_any_token_will_do(house: House) -> None:
    assert (await house.client.get("/jobs", headers={"authorization": "Bearer x"})).status_code == 200


def test_an_error_survives_the_way_between_processes() -> None:
    error = ApiError(503, "no good", "invalid_value", "prompt", retry_after_s=7.0)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.body(), again.headers()) == (error.body(), error.headers())

import pytest

from deployments.history.views import page
from tests.ingestion_house import House


async def test_jobs_are_listed_newest_first_in_pages(house: House) -> None:
    ids = [await house.post() for _ in range(3)]
    first = (await house.client.get("/jobs", params={"limit": 2})).json()
    rest = (await house.client.get("/jobs", params={"limit": 2, "after": first["last_id"]})).json()
    assert [job["id"] for job in first["data"] + rest["data"]] == sorted(ids, reverse=True)
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert (first["object"], first["first_id"]) == ("list", max(ids))


async def test_jobs_can_be_listed_oldest_first(house: House) -> None:
    ids = [await house.post() for _ in range(3)]
    jobs = (await house.client.get("/jobs", params={"order": "asc"})).json()
    assert [job["id"] for job in jobs["data"]] == sorted(ids)


async def test_an_empty_list_still_says_that_there_is_no_more(house: House) -> None:
    empty: dict[str, object] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert (await house.client.get("/jobs")).json() == empty


async def test_jobs_are_listed_by_status_and_model(house: House) -> None:
    done = await house.run()
    waiting = await house.post()
    for status, job_id in (("completed", done), ("queued", waiting)):
        jobs = (await house.client.get("/jobs", params={"status": status, "model": "scripted"})).json()
        assert [job["id"] for job in jobs["data"]] == [job_id]
    assert (await house.client.get("/jobs", params={"model": "other"})).json()["data"] == []


async def test_events_are_listed_in_pages(house: House) -> None:
    job_id = await house.run()
    path = f"/jobs/{job_id}/events"
    first = (await house.client.get(path, params={"limit": 3})).json()
    rest = (await house.client.get(path, params={"after": first["last_id"]})).json()
    assert (len(first["data"]), len(rest["data"])) == (3, 2)
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{}/events"])
async def test_an_unknown_cursor_is_refused(house: House, path: str) -> None:
    job_id = await house.post()
    reply = await house.client.get(path.format(job_id), params={"after": "resp_0000000000000000000000000000"})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "after"


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": "0"}, "limit", "invalid_value"),
        ({"limit": "101"}, "limit", "invalid_value"),
        ({"limit": "many"}, "limit", "invalid_type"),
        ({"order": "up"}, "order", "invalid_value"),
        ({"status": "lost"}, "status", "invalid_value"),
    ],
)
async def test_bad_list_parameters_are_named(house: House, query: dict[str, str], param: str, code: str) -> None:
    reply = await house.client.get("/jobs", params=query)
    assert reply.status_code == 400
    assert (reply.json()["error"]["param"], reply.json()["error"]["code"]) == (param, code)


def test_a_page_knows_of_more_by_one_item_too_many() -> None:
    items = [{"id": "a"}, {"id": "b"}]
    assert page(items, 2)["has_more"] is False
    assert page(items, 1) == {
        "object": "list",
        "data": [{"id": "a"}],
        "first_id": "a",
        "last_id": "a",
        "has_more": True,
    }


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_list_with_the_same_id_twice_comes_to_an_end(house: House, order: str) -> None:
    again = [{"id": name, "role": "user", "content": name} for name in ("one", "two", "one")]
    made = (await house.client.post("/v1/conversations", json={"items": again})).json()
    body = {"model": "scripted", "input": again, "background": True}
    response = (await house.client.post("/v1/responses", json=body)).json()
    for path in (f"/v1/conversations/{made['id']}/items", f"/v1/responses/{response['id']}/input_items"):
        shown: list[str] = []
        while len(shown) < 3:
            after = {"after": shown[-1]} if shown else {}
            page = (await house.client.get(path, params={"order": order, "limit": 1, **after})).json()
            shown += [item["id"] for item in page["data"]]
            if not page["has_more"]:
                break
        assert sorted(shown) == ["one", "two"], path

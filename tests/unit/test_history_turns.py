"""What stored jobs hand on, and how they are forgotten."""

from pathlib import Path

import pytest

from deployments.history.history import UnknownJobError
from pipelines.jobs import Status
from pipelines.payloads import Message, Request, Turn
from tests.factories import job_id
from tests.history_house import TENANT, HistoryHouse, item


@pytest.fixture
def house(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path)


async def test_a_completed_job_hands_on_its_turn_and_what_preceded_it(house: HistoryHouse) -> None:
    before, context = [item("msg_0")], [Turn(request="a:1", result="b:1")]
    request = Request(model="scripted", input=[item("msg_1")], before=before, context=context)
    await house.accept(0, request)
    waiting = await house.history.turn(TENANT, job_id(0))
    assert (waiting.status, waiting.turn, waiting.rendered) == (Status.QUEUED, None, None)
    await house.complete([item("msg_2", role="assistant")])
    done = await house.history.turn(TENANT, job_id(0))
    (job,) = await house.journal.jobs(TENANT, [job_id(0)])
    assert job is not None
    assert done.turn == Turn(request=str(job.request), result=str(job.result))
    assert (done.status, done.rendered) == (Status.COMPLETED, str(job.rendered))
    assert (done.context, done.before) == (context, before)


async def test_many_turns_are_told_at_once(house: HistoryHouse) -> None:
    await house.accept(0, Request(model="scripted", input=[item("msg_1")]))
    await house.complete([item("msg_2", role="assistant")])
    await house.accept(1, Request(model="scripted", input=[item("msg_3")], stored=False))
    wanted = [(TENANT, job_id(1)), (TENANT, job_id(2)), (TENANT, "nonsense"), (TENANT, job_id(0)), ("b", job_id(0))]
    told = await house.history.turns(wanted)
    done = await house.history.turn(TENANT, job_id(0))
    assert told == [None, None, None, done, None]


async def test_many_responses_are_told_at_once(house: HistoryHouse) -> None:
    await house.accept(0, Request(model="scripted", input=[item("msg_1")]))
    await house.complete([item("msg_2", role="assistant")])
    await house.accept(1, Request(model="scripted", input=[item("msg_3")]))
    wanted = [(TENANT, job_id(1)), (TENANT, job_id(2)), (TENANT, "nonsense"), (TENANT, job_id(0)), ("b", job_id(0))]
    told = await house.history.responses(wanted)
    assert [None if response is None else response["status"] for response in told] == [
        "queued",
        None,
        None,
        "completed",
        None,
    ]
    assert [told[0], told[3]] == [await house.history.response(TENANT, job_id(n)) for n in (1, 0)]


async def test_the_input_is_what_was_given_and_not_what_preceded_it(house: HistoryHouse) -> None:
    await house.accept(0, Request(model="scripted", input=[item("msg_1")], before=[item("msg_0")]))
    await house.accept(1, Request(model="scripted", messages=[Message(role="assistant", content="Hello")]))
    assert await house.history.input_items(TENANT, job_id(0)) == [item("msg_1")]
    (given,) = await house.history.input_items(TENANT, job_id(1))
    assert (given["role"], given["content"]) == ("assistant", [{"type": "output_text", "text": "Hello"}])


@pytest.mark.parametrize("question", ["turn", "input_items", "delete"])
async def test_what_is_not_stored_or_was_deleted_looks_unknown(question: str, house: HistoryHouse) -> None:
    await house.accept(0, Request(model="scripted", input=[item("msg_1")], stored=False))
    await house.accept(1, Request(model="scripted", input=[item("msg_1")]))
    await house.history.delete(TENANT, job_id(1))
    for number in range(3):
        with pytest.raises(UnknownJobError):
            await getattr(house.history, question)(TENANT, job_id(number))
    with pytest.raises(UnknownJobError):
        await house.history.response(TENANT, job_id(1))

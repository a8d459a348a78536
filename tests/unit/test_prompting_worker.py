from pathlib import Path

import pytest

from pipelines.jobs import Reference, Status, StepState
from pipelines.payloads import Message, Prompt, Request, Turn
from pipelines.steps import INFER, RENDER
from tests.factories import PROMPTING, claim, submit
from tests.workers import CONTEXT, Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def greet(name: str = "Ada") -> Request:
    return Request(model="scripted", template="greet", variables={"name": name})


def say(text: str) -> Request:
    return Request(model="scripted", messages=[Message(role="user", content=text)])


async def rendered(shop: Workshop, number: int = 0) -> Prompt:
    job = await shop.job(number)
    assert job.rendered is not None
    (data,) = await shop.blobs.get_many([("default", job.rendered, None)])
    return Prompt.model_validate_json(data)


async def test_a_batch_is_rendered_and_goes_on_to_inference(shop: Workshop) -> None:
    await shop.prompting.handle(await shop.submit(greet(), say("Hello there")))
    assert {(await shop.job(i)).step for i in range(2)} == {INFER}
    assert (await rendered(shop, 0)).messages[-1].content == "Greet Ada."
    assert (await rendered(shop, 1)).input_tokens == 2


async def test_a_batch_is_reported_in_one_call(shop: Workshop) -> None:
    claims = await shop.submit(*[greet(str(i)) for i in range(20)])
    calls = shop.journal_metrics.values["batch_size", ("batch", "journal")]
    before = len(calls)
    await shop.prompting.handle(claims)
    assert calls[before:] == [20]


async def test_a_bad_request_fails_alone(shop: Workshop) -> None:
    missing = Request(model="scripted", template="greet")
    await shop.prompting.handle(await shop.submit(greet(), missing, say("word " * CONTEXT)))
    jobs = [await shop.job(i) for i in range(3)]
    assert [job.status for job in jobs] == [Status.QUEUED, Status.FAILED, Status.FAILED]
    assert [job.fault.code for job in jobs if job.fault] == ["missing_required_parameter", "context_length_exceeded"]


async def test_a_payload_that_is_gone_is_tried_again_later(shop: Workshop) -> None:
    good, bad = await shop.submit(greet(), greet("Bob"))
    await shop.prompting.handle([good, bad._replace(request=Reference("0" * 64, 9), payloads={})])
    assert (await shop.job(0)).step == INFER
    job = await shop.job(1)
    assert (job.step, job.step_state) == (RENDER, StepState.WAITING)


async def test_a_long_prompt_is_kept_as_a_file_and_rendered_all_the_same(shop: Workshop) -> None:
    await shop.prompting.handle(await shop.submit(say("x" * 100_000)))
    prompt = await rendered(shop)
    assert len(prompt.messages[0].content) == 100_000


async def test_a_rendered_job_is_generated(shop: Workshop) -> None:
    await shop.prompting.handle(await shop.submit(greet()))
    await shop.run(await shop.claim())
    assert (await shop.job()).status is Status.COMPLETED
    assert (await shop.result()).usage == (4, 16, 0)


async def test_earlier_turns_are_fetched_for_the_whole_batch(shop: Workshop) -> None:
    await shop.prompting.handle(await shop.submit(say("one"), greet()))
    await shop.run(await shop.claim())
    first, second = await shop.job(0), await shop.job(1)
    contexts = [[Turn(request=str(job.request), result=str(job.result))] for job in (first, second)]
    following = [say("two").model_copy(update={"context": turns}) for turns in contexts]
    gone = say("three").model_copy(update={"context": [Turn(request=f"{0:064}:1", result=f"{0:064}:1")]})
    payloads = await shop.blobs.pack_many([("default", request.encode()) for request in [*following, gone]])
    await shop.journal.submit([submit(i, request=payload) for i, payload in enumerate(payloads, start=2)])
    await shop.prompting.handle(await shop.journal.claim(claim(PROMPTING, claim_id="later")))
    assert [message.content for message in (await rendered(shop, 2)).messages][::2] == ["one", "two"]
    assert (await rendered(shop, 3)).messages[1].content == "Greet Ada."
    assert (await shop.job(4)).step_state is StepState.WAITING

"""What becomes of jobs whose engine is another server and cannot go on in the middle."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.engines.protocol import Engine
from pipelines.errors import RejectError
from pipelines.jobs import Status, Usage
from tests.http_peer import Answer
from tests.remote_answers import BROKEN, CALLED, KINDS, WHOLE, WITHHELD, opened
from tests.workers import Workshop, prompt


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workshop(tmp_path: Path) -> Callable[[Engine], Workshop]:
    return lambda engine: Workshop(tmp_path, engine=engine)


async def test_a_job_whose_answer_broke_off_fails_with_what_was_shown(
    kind: str, workshop: Callable[[Engine], Workshop]
) -> None:
    async with opened(kind, Answer(events=BROKEN[kind], whole=False)) as (engine, peer):
        shop = workshop(engine)
        await shop.run(await shop.prompts(prompt()))
        job = await shop.job()
        assert job.status is Status.FAILED
        assert job.fault is not None
        assert job.fault.code == "engine_interrupted"
        assert "broke off" in job.fault.message
        assert (await shop.state()).text == "Once"
        assert len(peer.requests) == 1


async def test_a_job_whose_worker_was_lost_fails_with_what_was_shown(
    kind: str, workshop: Callable[[Engine], Workshop]
) -> None:
    async with opened(kind, Answer(events=BROKEN[kind]), Answer(events=WHOLE[kind])) as (engine, peer):
        shop = workshop(engine)
        (claimed,) = await shop.prompts(prompt())
        work = (await shop.worker._intake.fetch([claimed]))[0]
        assert not isinstance(work, Exception)
        with pytest.raises(RejectError):
            await shop.worker._generator.run(claimed, work.prompt, work.state)
        await shop.worker._writer.flush(claimed.job_id)
        await shop.worker.drain()
        await shop.journal.deregister("w1")
        await shop.run(await shop.claim_again())
        job = await shop.job()
        assert job.fault is not None
        assert (job.status, job.fault.code) == (Status.FAILED, "engine_interrupted")
        assert (await shop.state()).text == "Once"
        assert len(peer.requests) == 1


async def test_a_job_whose_answer_broke_off_before_anything_was_shown_begins_again(
    kind: str, workshop: Callable[[Engine], Workshop]
) -> None:
    async with opened(kind, Answer(whole=False), Answer(status=503), Answer(events=WHOLE[kind])) as (engine, peer):
        shop = workshop(engine)
        await shop.run(await shop.prompts(prompt()))
        await shop.run(await shop.claim_again())
        await shop.run(await shop.claim_again())
        assert (await shop.job()).status is Status.COMPLETED
        assert (await shop.state()).text == "Once"
        assert len(peer.requests) == 3


async def test_an_answer_that_its_server_withholds_is_incomplete(
    kind: str, workshop: Callable[[Engine], Workshop]
) -> None:
    async with opened(kind, Answer(events=WITHHELD[kind])) as (engine, _):
        shop = workshop(engine)
        await shop.run(await shop.prompts(prompt()))
        job = await shop.job()
        assert (job.status, job.reason) == (Status.INCOMPLETE, "content_filter")
        assert (await shop.result()).output[0]["status"] == "incomplete"


async def test_what_a_server_counts_is_what_a_job_has_used(kind: str, workshop: Callable[[Engine], Workshop]) -> None:
    async with opened(kind, Answer(events=WHOLE[kind])) as (engine, _):
        shop = workshop(engine)
        await shop.run(await shop.prompts(prompt("Tell me")))
        assert (await shop.result()).usage == {"openai": Usage(2, 1), "anthropic": Usage(8, 7, 3)}[kind]


async def test_a_function_that_must_be_called_is_read_from_the_servers_own_call(
    kind: str, workshop: Callable[[Engine], Workshop]
) -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    async with opened(kind, Answer(events=CALLED[kind])) as (engine, _):
        shop = workshop(engine)
        await shop.run(await shop.prompts(prompt(tools=[tool], tool_choice="required")))
        (item,) = (await shop.result()).output
        assert (item["type"], item["name"], item["arguments"]) == ("function_call", "weather", '{"a": 1}')

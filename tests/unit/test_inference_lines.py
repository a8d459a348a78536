"""What an inference worker does with a line of a batch: what it does with other jobs, but for the log."""

import asyncio
import json
from pathlib import Path

import pytest

from deployments.engines.scripted import ScriptedEngine
from deployments.inference.share import RESERVED
from deployments.inference.transcript import CHECKPOINT
from events.v1.tokens_pb2 import Chunk
from pipelines.batch_edits import BeginBatch, CreateBatch, batch_job, line_id, new_batch_id, validation_id
from pipelines.commands import Submit
from pipelines.jobs import ClaimedJob, Job
from pipelines.payloads import Prompt, Result
from pipelines.steps import BULK, LINE, VALIDATION, line_topic
from tests.factories import claim, payload
from tests.workers import Workshop, prompt

BATCH = new_batch_id("batch_" + "0" * 28)
LONG = CHECKPOINT * 3


class LineShop(Workshop):
    """A workshop with a batch."""

    async def lines(self, *prompts: Prompt) -> list[ClaimedJob]:
        """Lines 1, 2, ... with these prompts, claimed."""
        job = batch_job(validation_id(BATCH), "default", VALIDATION, deadline_s=3600, now=self.clock.time)
        create = CreateBatch(
            batch=BATCH,
            endpoint="/v1/responses",
            input_file="file-1",
            window="1h",
            window_s=3600,
            metadata="{}",
            output_expires_s=None,
            job=job,
        )
        begin = BeginBatch(batch=BATCH, tenant="default", lines=len(prompts), model="scripted")
        await self.journal.edit([create, begin])
        rendered = await self.blobs.pack_many([("default", each.encode()) for each in prompts])
        await self.journal.submit(
            [
                Submit(
                    job_id=line_id(BATCH, number),
                    tenant="default",
                    pipeline=LINE,
                    model="scripted",
                    request=payload(),
                    rendered=each,
                    deadline_s=3600,
                    part_of=BATCH,
                )
                for number, each in enumerate(rendered, 1)
            ]
        )
        return await self.claim()

    async def claim(self) -> list[ClaimedJob]:
        claim_id = self.ports.ids.new("claim")
        return await self.journal.claim(claim(line_topic("scripted"), claim_id=claim_id))

    async def line(self, number: int = 1) -> Job:
        (job,) = await self.journal.jobs("default", [line_id(BATCH, number)])
        assert job is not None
        return job

    async def outcome(self, number: int = 1) -> Result:
        job = await self.line(number)
        assert job.result is not None
        return Result.model_validate_json((await self.blobs.get_many([("default", job.result, None)]))[0])

    async def ids_logged(self, number: int = 1) -> list[int]:
        chunks = (await self.token_log.read(line_id(BATCH, number), -1)).chunks
        return [token for chunk in chunks for token in Chunk.FromString(chunk).token_ids]


@pytest.fixture
def shop(tmp_path: Path) -> LineShop:
    return LineShop(tmp_path)


async def test_a_job_of_many_is_logged_as_it_comes(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    script = f'{{"tokens": {LONG}, "step": 1}}'
    (claim,) = await shop.prompts(prompt("Tell me", script=script, max_tokens=LONG))
    await shop.run([claim._replace(pipeline=BULK)])
    assert len((await shop.logged()).chunks) > LONG // CHECKPOINT


async def test_a_short_line_is_stored_and_never_logged(shop: LineShop) -> None:
    await shop.run(await shop.lines(prompt("Hello there"), prompt("Hello you")))
    result = await shop.outcome(2)
    assert result.output[0]["content"][0]["text"] == ScriptedEngine().decode(result.token_ids)
    assert (len(result.token_ids), (await shop.line()).end) == (16, 1)
    assert await shop.ids_logged() == await shop.ids_logged(2) == []


async def test_a_long_line_is_logged_now_and_then_and_whole_at_its_end(shop: LineShop) -> None:
    script = json.dumps({"tokens": LONG, "step": 50})
    await shop.run(await shop.lines(prompt(script=script, max_tokens=LONG)))
    read = await shop.token_log.read(line_id(BATCH, 1), -1)
    assert len(read.chunks) == LONG // CHECKPOINT
    assert await shop.ids_logged() == (await shop.outcome()).token_ids


@pytest.mark.parametrize("at", [0, CHECKPOINT - 1, CHECKPOINT + 30])
async def test_a_line_that_breaks_off_goes_on_from_its_log_to_the_same_result(tmp_path: Path, at: int) -> None:
    results = []
    for fail in ({}, {"fail": "raise", "at": at, "attempts": 1}):
        shop = LineShop(tmp_path)
        script = json.dumps({"tokens": LONG, "step": 10, **fail})
        await shop.run(await shop.lines(prompt(script=script, max_tokens=LONG)))
        await shop.run(await shop.claim_again())
        results.append(await shop.outcome())
    assert results[0] == results[1]


async def test_a_second_attempt_shuts_out_the_first_from_the_log(shop: LineShop) -> None:
    script = json.dumps({"tokens": LONG, "step": 10, "fail": "hang", "at": CHECKPOINT + 10})
    (first,) = await shop.lines(prompt(script=script, max_tokens=LONG))
    await shop.worker.handle([first])
    async with asyncio.timeout(10):
        while not await shop.ids_logged():
            await asyncio.sleep(0)
    await shop.journal.orphan("w1", crashed=False)
    (second,) = await shop.claim()
    other = shop.make_worker(ScriptedEngine())
    await other.handle([second])
    assert (first.fence, second.fence) == (1, 2)
    assert await shop.token_log.open([(second.job_id, first.fence)]) == [None]
    await other.drain()
    await shop.worker.drain()


async def test_lines_take_no_more_than_their_share(shop: LineShop) -> None:
    claims = await shop.lines(*[prompt(script='{"fail": "hang"}') for _ in range(3)])
    await shop.worker.handle(claims)
    assert shop.worker.slots.free() == shop.slots - 3
    assert shop.worker.slots.free_for_lines() == shop.slots - RESERVED - 3
    await shop.worker.drain()
    assert shop.worker.line_room.free_slots() == (shop.slots - RESERVED) // 2


async def test_room_for_lines_is_looked_for_when_a_slot_is_freed(shop: LineShop) -> None:
    claims = await shop.lines(*[prompt(script='{"fail": "hang"}') for _ in range(shop.slots - RESERVED)])
    await shop.worker.handle(claims)
    waiting = asyncio.create_task(shop.worker.line_room.wait_for_slot())
    await asyncio.sleep(0)
    shop.worker.revoke(claims[0].job_id, claims[0].fence)
    await asyncio.wait_for(waiting, 0.5)
    assert shop.worker.line_room.free_slots() == 1
    await shop.worker.drain()


async def test_its_tokens_count_and_its_times_do_not(tmp_path: Path) -> None:
    shop = LineShop(tmp_path)
    await shop.run(await shop.lines(prompt()))
    values = shop.metrics.values
    assert values["output_tokens", ("model", "scripted")] == [16]
    assert not {"first_token_seconds", "token_seconds"} & {name for name, *_ in values}


async def test_a_line_has_begun_with_its_first_token_or_its_end(shop: LineShop) -> None:
    hang = ['{"fail": "hang"}', '{"fail": "hang", "at": 1}']
    claims = await shop.lines(prompt(), *[prompt(script=script) for script in hang])
    await shop.worker.handle(claims)
    share = shop.worker.slots.share
    async with asyncio.timeout(10):
        while share.lines > len(hang) or share.beginning > 1:
            await asyncio.sleep(0)
    assert (share.lines, share.beginning) == (2, 1)
    await shop.worker.drain()
    assert (share.lines, share.beginning) == (0, 0)


class SteppingEngine(ScriptedEngine):
    """Reads few tokens of prompts in a step."""

    step_tokens = 10


async def test_no_more_lines_begin_together_than_the_engine_reads_in_a_step(tmp_path: Path) -> None:
    shop = LineShop(tmp_path, engine=SteppingEngine())
    room, share = shop.worker.line_room, shop.worker.slots.share
    assert room.free_slots() == 1  # nobody knows how long they are
    hang = prompt(script='{"fail": "hang"}').model_copy(update={"input_tokens": 4})
    await shop.worker.handle(await shop.lines(hang))
    async with asyncio.timeout(10):
        while not share.prompt_tokens:
            await asyncio.sleep(0)
    assert room.free_slots() == 1  # of the two that fit, one is there
    await shop.worker.drain()
    assert room.free_slots() == 2

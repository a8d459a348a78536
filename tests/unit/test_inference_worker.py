import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from actors.journal.journal import Journal
from actors.token_log.writer import TokenLogWriter
from deployments.engines.protocol import EngineDeadError, Generation, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.generation import Generator
from deployments.inference.language import EngineLanguage, Interpreters
from events.ids import derived_id
from pipelines.commands import Answer, Finish
from pipelines.errors import TransientError
from pipelines.jobs import ClaimedJob, Reference, Status, StepState
from pipelines.operations import EMPTY
from tests.factories import job_id
from tests.workers import Workshop, prompt

Came = Callable[..., Awaitable[list[ClaimedJob]]]
HANG = '{"fail": "hang", "at": 3}'


class DeadEngine(ScriptedEngine):
    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        yield Tokens([0], None)
        raise EngineDeadError(generation.request_id)


class BusyEngine(ScriptedEngine):
    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        yield Tokens([0], None)
        raise TransientError(f"no memory for {generation.request_id}", retry_after_s=45.0)


class OtherEngine(ScriptedEngine):
    fingerprint = "scripted-2"


class Unhung(ScriptedEngine):
    def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        return super().generate(replace(generation, prompt=generation.prompt.model_copy(update={"metadata": {}})))


class FullEngine(ScriptedEngine):
    def has_room(self) -> bool:
        return False


class LossyJournal(Journal):
    answers_to_lose = 0

    async def finish(self, batch: Sequence[Finish]) -> list[Answer]:
        answers = await super().finish(batch)
        if LossyJournal.answers_to_lose:
            LossyJournal.answers_to_lose -= 1
            raise ConnectionError("the answer was lost")
        return answers


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


async def hanging(shop: Workshop) -> int:
    """Job 0, started and silent after three tokens; its fence."""
    (claim,) = await shop.prompts(prompt(script=HANG))
    await shop.worker.handle([claim])
    async with asyncio.timeout(10):
        while len((await shop.state()).token_ids) < 3:
            await asyncio.sleep(0)
    return claim.fence


async def test_a_generation_ends_as_a_stored_result_of_what_the_log_shows(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt("Hello there")))
    job, state, result = await shop.job(), await shop.state(), await shop.result()
    assert job.status is Status.COMPLETED
    assert job.usage == result.usage == (2, 16, 0)
    assert job.end == state.next_sequence - 1
    assert result.output[0]["content"][0]["text"] == state.text
    assert (result.output[0]["id"], result.output[0]["status"]) == (derived_id("msg", job_id()), "completed")
    assert (result.finish_reason, result.engine_fingerprint) == ("stop", "scripted-1")


async def test_the_log_keeps_ids_reason_and_fingerprint_and_closes_the_item(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt()))
    state = await shop.state()
    assert len(state.token_ids) == 16
    assert (state.open, state.finish_reason, state.engine_fingerprint) == (None, "stop", "scripted-1")


async def test_the_limit_makes_the_job_incomplete(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt(max_tokens=5)))
    job = await shop.job()
    assert (job.status, job.reason) == (Status.INCOMPLETE, "max_output_tokens")
    assert (await shop.result()).output[0]["status"] == "incomplete"


async def test_an_output_without_tokens_is_complete(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt(script='{"tokens": 0}')))
    assert (await shop.job()).status is Status.COMPLETED
    assert (await shop.result()).output[0]["content"][0]["text"] == ""


@pytest.mark.parametrize("came", [Workshop.prompts, Workshop.rendered])
@pytest.mark.parametrize("at", [0, 1, 7, 15])
async def test_a_failed_attempt_is_continued_to_the_same_text(tmp_path: Path, at: int, came: Came) -> None:
    undisturbed, broken = Workshop(tmp_path), Workshop(tmp_path)
    await undisturbed.run(await came(undisturbed, prompt()))
    await broken.run(await came(broken, prompt(script=f'{{"fail": "raise", "at": {at}, "attempts": 1}}')))
    assert (await broken.job()).step_state is StepState.WAITING
    await broken.run(await broken.claim_again())
    assert (await broken.state()).token_ids == (await undisturbed.state()).token_ids
    assert await broken.result() == await undisturbed.result()


async def test_a_finished_log_is_completed_without_the_engine(shop: Workshop) -> None:
    (claim,) = await shop.prompts(prompt())
    writer = TokenLogWriter(shop.token_log, ports=shop.ports, on_refused=shop.worker.revoke)
    engine = ScriptedEngine()
    interpreters = Interpreters(EngineLanguage(engine))
    generator = Generator(
        engine=engine, interpreters=interpreters, writer=writer, ports=shop.ports, on_first=lambda _: None
    )
    await generator.run(claim, prompt(), EMPTY)
    await writer.flush(claim.job_id)  # and here its process dies
    await shop.journal.orphan("w1", crashed=True)
    shop.worker = shop.make_worker(DeadEngine())
    await shop.run(await shop.claim_again())
    assert (await shop.job()).status is Status.COMPLETED
    assert (await shop.result()).output[0]["content"][0]["text"] == (await shop.state()).text


async def test_text_shown_by_another_engine_is_not_continued(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt(script='{"fail": "raise", "at": 4}')))
    shop.worker = shop.make_worker(OtherEngine())
    await shop.run(await shop.claim_again())
    job = await shop.job()
    assert job.status is Status.FAILED
    assert job.fault is not None
    assert job.fault.code == "engine_changed"


async def test_a_job_without_tokens_starts_on_any_engine(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt(script='{"fail": "raise", "at": 0, "attempts": 1}')))
    shop.worker = shop.make_worker(OtherEngine())
    await shop.run(await shop.claim_again())
    assert (await shop.state()).engine_fingerprint == "scripted-2"


async def test_a_revoked_job_is_aborted_without_a_word(shop: Workshop) -> None:
    fence = await hanging(shop)
    shop.worker.revoke(job_id(), fence)
    await shop.finished()
    assert (await shop.job()).step_state is StepState.CLAIMED


async def test_a_revocation_of_an_older_claim_changes_nothing(shop: Workshop) -> None:
    fence = await hanging(shop)
    shop.worker.revoke(job_id(), fence - 1)
    assert shop.worker.slots.free() == shop.slots - 1
    await shop.worker.drain()


async def test_a_job_revoked_while_its_prompt_is_fetched_never_starts(shop: Workshop) -> None:
    (claim,) = await shop.prompts(prompt(script=HANG))
    handling = asyncio.create_task(shop.worker.handle([claim]))
    while shop.worker.slots.free() == shop.slots:
        await asyncio.sleep(0)
    shop.worker.revoke(claim.job_id, claim.fence)
    await handling
    assert shop.worker.slots.free() == shop.slots
    assert not (await shop.logged()).chunks


async def test_a_log_that_another_worker_opened_silences_this_one(shop: Workshop) -> None:
    (claim,) = await shop.prompts(prompt(script='{"tokens": 4, "delay_ms": 10}'))
    await shop.token_log.open([(claim.job_id, claim.fence + 1)])
    await shop.run([claim])
    assert (await shop.job()).step_state is StepState.CLAIMED
    assert not (await shop.logged()).chunks


async def test_draining_hands_back_what_runs_and_spends_no_attempt(shop: Workshop) -> None:
    await hanging(shop)
    await shop.worker.drain()
    job = await shop.job()
    assert (job.step_state, job.attempt) == (StepState.READY, 0)
    assert shop.worker.slots.free() == shop.slots


async def test_a_job_handed_back_goes_on_after_its_last_token(shop: Workshop) -> None:
    await hanging(shop)
    await shop.worker.drain()
    shop.worker = shop.make_worker(Unhung())
    before = await shop.state()
    await shop.run(await shop.claim())
    after = await shop.state()
    assert len(before.token_ids) == 3
    assert len(after.token_ids) == 16
    assert after.text.startswith(before.text)


async def test_a_dead_engine_ends_the_process_and_reports_nothing(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, engine=DeadEngine())
    await shop.run(await shop.prompts(prompt()))
    assert shop.deaths == ["dead"]
    assert (await shop.job()).step_state is StepState.CLAIMED


async def test_a_payload_that_is_gone_fails_its_job_alone(shop: Workshop) -> None:
    good, bad = await shop.prompts(prompt(), prompt())
    await shop.run([good, bad._replace(rendered=Reference("0" * 64, 9), payloads={})])
    assert (await shop.job(0)).status is Status.COMPLETED
    assert (await shop.job(1)).step_state is StepState.WAITING


async def test_a_malformed_script_fails_the_job_at_once(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt(script="{")))
    job = await shop.job()
    assert job.status is Status.FAILED
    assert job.fault is not None
    assert job.fault.code == "invalid_value"


async def test_a_full_engine_offers_no_slots(tmp_path: Path) -> None:
    assert Workshop(tmp_path, engine=FullEngine()).worker.free_slots() == 0


async def test_waiting_for_a_slot_ends_when_a_generation_ends(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, slots=1)
    await hanging(shop)
    waiting = asyncio.create_task(shop.worker.wait_for_slot())
    await asyncio.sleep(0)
    assert shop.worker.free_slots() == 0
    await shop.worker.drain()
    await waiting
    assert shop.worker.free_slots() == 1


async def test_an_outcome_is_reported_until_the_journal_answers(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, journal=LossyJournal)
    claims = await shop.prompts(prompt())
    LossyJournal.answers_to_lose = 1
    await shop.run(claims)
    assert LossyJournal.answers_to_lose == 0
    assert (await shop.job()).status is Status.COMPLETED


async def test_many_jobs_of_a_batch_run_side_by_side(shop: Workshop) -> None:
    claims = await shop.prompts(*[prompt(f"Hello {i}") for i in range(8)])
    await shop.run(claims)
    texts = {(await shop.state(i)).text for i in range(8)}
    assert len(texts) == 8


async def test_the_pace_is_measured(shop: Workshop) -> None:
    await shop.run(await shop.prompts(prompt()))
    values = shop.metrics.values
    assert values["output_tokens", ("model", "scripted")] == [16]
    assert len(values["first_token_seconds", ("model", "scripted")]) == 1
    assert values["generations_running", ("model", "scripted")][-1] == 0


async def test_an_engine_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, engine=BusyEngine())
    await shop.run(await shop.prompts(prompt()))
    job = await shop.job()
    assert (job.step_state, job.failures) == (StepState.WAITING, 0)
    assert job.ready_at == shop.clock.time + 45

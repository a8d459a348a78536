"""The indexing worker on a journal in memory, with an index in memory."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from actors.blobs import Blobs
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from actors.objects import Objects
from deployments.knowledge.indexing_worker import IndexingWorker
from pipelines.commands import Cancel
from pipelines.edits import CompleteFile, ReserveFile
from pipelines.jobs import ClaimedJob, Status
from pipelines.vector_edits import DetachFile, FileCounts
from tests.factories import job_id, make_ports
from tests.scripted_knowledge import ScriptedKnowledge
from tests.vector_stores import STORE, attach, claim_files, file_of, make_store, store_of

SLOTS = 4


class Workshop:
    """Files are numbered, and their names say what becomes of them."""

    def __init__(self, folder: Path) -> None:
        self.ports = make_ports()
        self.disk = Disk(uuid="one")
        self.journal = Journal(MemoryStore(self.disk), ports=self.ports)
        self.objects = Objects(str(folder))
        self.knowledge = ScriptedKnowledge(self.journal, self.objects, self.ports)
        blobs = Blobs(self.journal, folder, self.ports.clock)
        self.worker = IndexingWorker(self.knowledge, slots=SLOTS, journal=self.journal, blobs=blobs, ports=self.ports)

    async def claim(self, *names: str, content: bytes = b"one two three") -> list[ClaimedJob]:
        """Attach files, and claim their jobs."""
        await make_store(self.journal)
        for number, name in enumerate(names):
            file = f"file-{number}"
            await self.journal.edit([ReserveFile(file=file, tenant="default", filename=name, purpose="assistants")])
            await self.objects.put("default", file, _pieces(content))
            await self.journal.edit([CompleteFile(file=file, tenant="default", size=len(content))])
        await self.journal.edit([attach(*range(len(names)))])
        return list((await claim_files(self.journal)).values())

    async def come_to_rest(self) -> None:
        async with asyncio.timeout(10):
            while self.worker.held():
                await self.worker.wait_for_slot()

    async def statuses(self, files: int) -> list[str]:
        return [(await file_of(self.journal, number)).status for number in range(files)]


async def _pieces(content: bytes) -> AsyncGenerator[bytes]:
    yield content


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


async def test_each_file_has_its_own_end(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("a.txt", "b.bin", "c.md"))
    await workshop.come_to_rest()
    assert await workshop.statuses(3) == ["completed", "failed", "completed"]
    assert (await file_of(workshop.journal, 0)).usage_bytes == len("one two three")
    assert (await file_of(workshop.journal, 1)).error_code == "unsupported_file"
    assert workshop.knowledge.batches == [3]


async def test_what_is_done_is_reported_while_others_go_on(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("a.txt", "slow.txt", "c.txt"))
    await workshop.knowledge.started.wait()
    await workshop.worker.wait_for_slot()
    assert await workshop.statuses(3) == ["completed", "in_progress", "in_progress"]
    workshop.knowledge.let_go.set()
    await workshop.come_to_rest()
    assert (await store_of(workshop.journal)).counts == FileCounts(completed=3)


async def test_new_files_are_taken_when_half_of_the_slots_are_free(workshop: Workshop) -> None:
    assert workshop.worker.free_slots() == SLOTS
    await workshop.worker.handle(await workshop.claim("a.txt", "slow.txt", "slow.md"))
    assert workshop.worker.free_slots() == 0
    await workshop.worker.wait_for_slot()
    assert workshop.worker.free_slots() == 2


async def test_an_indexer_that_breaks_fails_what_it_had_not_done(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("a.txt", "crash.txt", "c.txt"))
    await workshop.come_to_rest()
    assert await workshop.statuses(3) == ["completed", "in_progress", "in_progress"]
    jobs = await workshop.journal.jobs("default", [job_id(number) for number in range(3)])
    assert [(job.status, job.failures) for job in jobs if job] == [
        (Status.COMPLETED, 0),
        (Status.QUEUED, 1),
        (Status.QUEUED, 1),
    ]


async def test_a_file_of_which_nothing_is_told_has_failed(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("mute.txt"))
    await workshop.come_to_rest()
    (job,) = await workshop.journal.jobs("default", [job_id(0)])
    assert job is not None
    assert job.failures == 1


async def test_a_passing_fault_is_no_failure(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("busy.txt"))
    await workshop.come_to_rest()
    (job,) = await workshop.journal.jobs("default", [job_id(0)])
    assert job is not None
    assert (job.step_state, job.failures) == ("waiting", 0)


async def test_a_revoked_file_is_dropped_and_the_others_go_on(workshop: Workshop) -> None:
    claims = await workshop.claim("slow.txt", "b.txt")
    await workshop.worker.handle(claims)
    await workshop.knowledge.started.wait()
    await workshop.journal.edit([DetachFile(**STORE, file="file-0")])
    workshop.worker.revoke(claims[0].job_id, claims[0].fence)
    assert workshop.worker.held() == [claims[1]]
    workshop.knowledge.let_go.set()
    await workshop.come_to_rest()
    assert (await store_of(workshop.journal)).counts == FileCounts(completed=1)


async def test_a_batch_that_nobody_wants_any_more_stops(workshop: Workshop) -> None:
    (claimed,) = await workshop.claim("slow.txt")
    await workshop.worker.handle([claimed])
    await workshop.knowledge.started.wait()
    await workshop.journal.cancel([Cancel(job_id=claimed.job_id, tenant="default")])
    workshop.worker.revoke(claimed.job_id, claimed.fence - 1)  # of an older claim
    assert workshop.worker.held() == [claimed]
    workshop.worker.revoke(claimed.job_id, claimed.fence)
    async with asyncio.timeout(10):
        while not workshop.knowledge.closed:
            await asyncio.sleep(0)
    assert workshop.worker.held() == []


async def test_a_worker_that_leaves_hands_back_what_is_not_done(workshop: Workshop) -> None:
    await workshop.worker.handle(await workshop.claim("a.txt", "slow.txt", "c.txt"))
    await workshop.knowledge.started.wait()
    await workshop.worker.wait_for_slot()
    await workshop.worker.drain()
    assert workshop.worker.held() == []
    assert await workshop.statuses(3) == ["completed", "in_progress", "in_progress"]
    assert list(await claim_files(workshop.journal)) == [job_id(1), job_id(2)]
    jobs = await workshop.journal.jobs("default", [job_id(1), job_id(2)])
    assert [job.attempt for job in jobs if job] == [1, 1]


async def test_a_payload_that_is_gone_fails_the_batch(workshop: Workshop) -> None:
    (claimed,) = await workshop.claim("a.txt")
    claimed.payloads.clear()
    workshop.disk.blobs.clear()
    await workshop.worker.handle([claimed])
    await workshop.come_to_rest()
    (job,) = await workshop.journal.jobs("default", [job_id(0)])
    assert job is not None
    assert job.failures == 1

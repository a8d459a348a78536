"""A worker hears that a claim is no longer its own, whatever becomes of the answers that say so."""

from actors.journal.journal import Journal
from actors.journal.protocol import Worker
from actors.journal.workers import LEASE_S
from pipelines.commands import Cancel
from tests.factories import PROMPTING, ManualClock, claim, job_id, submit


async def test_a_revocation_is_told_again_after_the_journal_stood_still(journal: Journal, clock: ManualClock) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=1))
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    await journal.heartbeat("w1", 0)  # its answer is lost, and nobody notices that the lease runs out
    clock.time += 3 * LEASE_S
    assert (await journal.heartbeat("w1", 0)).revoked == [(claimed.job_id, claimed.fence)]

import asyncio

from actors.journal.arrivals import Arrivals
from tests.factories import claim


async def test_a_claim_whose_caller_has_gone_is_not_parked_again() -> None:
    arrivals = Arrivals()
    waiting = asyncio.ensure_future(arrivals.wait(claim(), 60))
    await asyncio.sleep(0)
    taken = arrivals.take()
    waiting.cancel()
    await asyncio.wait([waiting])
    arrivals.give_back(taken)
    assert len(taken) == 1
    assert arrivals.take() == []


async def test_a_claim_that_there_was_nothing_for_waits_on() -> None:
    arrivals = Arrivals()
    waiting = asyncio.ensure_future(arrivals.wait(claim(), 60))
    await asyncio.sleep(0)
    arrivals.give_back(arrivals.take())
    arrivals.tell(lambda _: True)
    assert await waiting is None

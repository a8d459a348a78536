"""Claims that wait a moment for a step which is coming: its job is being written, or the step before it is claimed.

The transaction that makes the step ready gives it to them, so that it is never written as a step that waits.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.commands import Claim
from pipelines.jobs import ClaimedJob


@dataclass(slots=True, eq=False)
class Parked:
    """A claim that waits. Its answer is None where it must ask for itself."""

    claim: Claim
    answer: asyncio.Future[list[ClaimedJob] | None]
    is_late: bool = False


class Arrivals:
    """Who waits, in the order in which they came."""

    def __init__(self) -> None:
        self._parked: list[Parked] = []

    async def wait(self, claim: Claim, wait_s: float) -> list[ClaimedJob] | None:
        """What a transaction gave to the claim; None where it may ask for itself now, at the latest after so long."""
        parked = Parked(claim, asyncio.get_running_loop().create_future())
        self._parked.append(parked)
        try:
            async with asyncio.timeout(wait_s):
                return await asyncio.shield(parked.answer)
        except TimeoutError:
            parked.is_late = True
            if parked not in self._parked:  # a transaction is about to serve it
                return await parked.answer
            return None
        finally:
            parked.is_late = True  # also where the caller has gone while a transaction has it
            if parked in self._parked:
                self._parked.remove(parked)

    def take(self) -> list[Parked]:
        """All of them. Each must be given its answer, or back."""
        taken, self._parked = self._parked, []
        return taken

    def settle(self, parked: Sequence[Parked], answers: Sequence[list[ClaimedJob]]) -> list[Claim]:
        """Those that were given something, which are answered; the others are given back."""
        served = [(each, answer) for each, answer in zip(parked, answers, strict=True) if answer]
        for each, answer in served:
            each.answer.set_result(answer)
        self.give_back([each for each in parked if not each.answer.done()])
        return [each.claim for each, _ in served]

    def give_back(self, parked: Sequence[Parked]) -> None:
        """There was nothing for these."""
        for each in parked:
            if each.is_late:
                each.answer.set_result(None)
        self._parked = [each for each in parked if not each.is_late] + self._parked

    def tell(self, is_ready: Callable[[str], bool]) -> None:
        """These topics have ready steps."""
        for each in [each for each in self._parked if is_ready(each.claim.topic)]:
            self._parked.remove(each)
            each.answer.set_result(None)

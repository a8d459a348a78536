"""Commands and ports for tests."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from actors.system import real_ports
from pipelines.commands import Claim, Finish, Generated, Outcome, Payload, Rendered, Submit
from pipelines.jobs import ClaimedJob, Status, Usage, timed_reference_of
from pipelines.ports import Ports

PROMPTING = "topic.prompting"
INFERENCE = "topic.inference.scripted"


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def make_ports(clock: ManualClock | None = None) -> Ports:
    """Real ports with a fixed seed, and with a manual clock where one is given."""
    ports = replace(real_ports(), random=Random(1), run_blocking=_inline)
    return ports if clock is None else replace(ports, clock=clock)


async def _inline(work: Callable[[], Any]) -> Any:
    return work()


def payload(data: bytes = b"{}") -> Payload:
    return Payload(timed_reference_of(data, 1.0), data)


def job_id(number: int = 0) -> str:
    return f"resp_{number:028d}"


def submit(number: int = 0, **changes: Any) -> Submit:
    fields: dict[str, Any] = {
        "job_id": job_id(number),
        "tenant": "default",
        "pipeline": "generate",
        "model": "scripted",
        "request": payload(f'{{"number": {number}}}'.encode()),
        "deadline_s": 3600.0,
    }
    return Submit(**{**fields, **changes})


def claim(topic: str = PROMPTING, *, worker: str = "w1", slots: int = 100, claim_id: str = "c1", **more: Any) -> Claim:
    return Claim(claim_id=claim_id, topic=topic, worker=worker, slots=slots, **more)


def finish(claimed: ClaimedJob, outcome: Outcome) -> Finish:
    return Finish(job_id=claimed.job_id, fence=claimed.fence, outcome=outcome)


def rendered() -> Rendered:
    return Rendered(prompt=payload(b'{"messages": []}'), input_tokens=3)


def generated(status: Status = Status.COMPLETED) -> Generated:
    return Generated(result=payload(b'{"output": []}'), status=status, usage=Usage(3, 16), finish_reason="stop", end=24)

"""How every worker reports: until it is answered. A claim that its living worker forgot would last to the deadline."""

import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence

from pipelines.commands import Answer, Finish
from pipelines.ports import Ports
from pipelines.retry import backoff_s

log = logging.getLogger("heliograph")


async def report(
    finish: Callable[[list[Finish]], Awaitable[Sequence[Answer]]], batch: list[Finish], *, ports: Ports
) -> None:
    """Returns when the journal has answered; every verdict is final, whoever decided."""
    for attempt in itertools.count(1):
        try:
            await finish(batch)
        except Exception:
            log.exception("outcomes could not be reported", extra={"jobs": [item.job_id for item in batch]})
            ports.metrics.count("loop_failures", loop="report")
            await ports.sleep(backoff_s(attempt, ports.random))
        else:
            return

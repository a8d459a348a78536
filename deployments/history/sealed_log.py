"""Reading the token log of a job that has ended: always to its seal, so that every reader sees the same."""

from typing import Any

from actors.token_log.protocol import Logged, SealRequest, TokenLogApi
from deployments.history.responses import item_object
from events.v1.tokens_pb2 import Chunk, Operation, Seal
from pipelines.jobs import Job
from pipelines.operations import fold


async def seal_of(token_log: TokenLogApi, job: Job) -> Seal:
    """The seal of a terminal job. Asks for it where the dispatcher has not come to it yet; repeatable."""
    request = SealRequest(job_id=job.id, status=job.status, fault=job.fault, end=job.end)
    return Seal.FromString((await token_log.seal([request]))[0])


async def sealed_output(token_log: TokenLogApi, job: Job) -> list[dict[str, Any]]:
    """The output items that the log of a terminal job shows."""
    logged = await token_log.read(job.id, -1)
    if logged.seal is None:
        await seal_of(token_log, job)
        logged = await token_log.read(job.id, -1)
    return output_of(logged)


def output_of(logged: Logged) -> list[dict[str, Any]]:
    """The output items of a sealed log; [] for one that is not sealed."""
    if logged.seal is None:
        return []
    return [item_object(item) for item in fold(_shown(logged, Seal.FromString(logged.seal)))]


def _shown(logged: Logged, seal: Seal) -> list[Operation]:
    operations = [operation for chunk in logged.chunks for operation in Chunk.FromString(chunk).operations]
    return [*(operation for operation in operations if operation.sequence <= seal.end), *seal.closing]

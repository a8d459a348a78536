"""The history service by its handle: every question of `HistoryApi`, and Responses and turns many at once."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from actors.sharding import ShardedCoalescer
from deployments.history.history import HistoryApi, UnknownJobError
from deployments.history.turns import EarlierTurn
from events.ids import named_shard
from pipelines.errors import TransientError
from pipelines.ports import Ports

QUESTIONS = frozenset(name for name in dir(HistoryApi) if not name.startswith("_"))


class RemoteHistory:
    """Asks the service. Raises what it raises, and TransientError where it cannot be reached."""

    def __init__(self, ports: Ports) -> None:
        self._handle = serve.get_deployment_handle("history", "history")
        self._responses: ShardedCoalescer[tuple[str, str], dict[str, Any] | None] = ShardedCoalescer(
            partial(self._ask, "responses"), shard=lambda wanted: named_shard(wanted[1]), name="responses", ports=ports
        )
        self._turns: ShardedCoalescer[tuple[str, str], EarlierTurn | None] = ShardedCoalescer(
            partial(self._ask, "turns"), shard=lambda wanted: named_shard(wanted[1]), name="turns", ports=ports
        )

    def __getattr__(self, question: str) -> Callable[..., Awaitable[Any]]:
        if question not in QUESTIONS:
            raise AttributeError(question)
        return partial(self._ask, question)

    async def response(self, tenant: str, job_id: str) -> dict[str, Any]:
        """The job as OpenAI's Response object, asked together with others: every stream that ends wants one."""
        (found,) = await self._responses.do([(tenant, job_id)])
        if found is None:
            raise UnknownJobError(job_id)
        return found

    async def turn(self, tenant: str, response_id: str) -> EarlierTurn:
        """A stored job as a parent, asked for together with others: every response that goes on from one wants it."""
        (found,) = await self._turns.do([(tenant, response_id)])
        if found is None:
            raise UnknownJobError(response_id)
        return found

    async def _ask(self, question: str, *arguments: Any, **named: Any) -> Any:
        try:
            return await self._handle.ask.remote(question, *arguments, **named)
        except RayTaskError as error:
            raise error.cause from None  # what the service raised, without Ray's wrapping
        except (RayActorError, BackPressureError) as error:
            raise TransientError("history is not reachable", retry_after_s=1.0) from error


def remote_history(ports: Ports) -> HistoryApi:
    """The history service, by its handle."""
    return cast("HistoryApi", RemoteHistory(ports))

"""A model's replicas, for ingestion: direct requests go to one of them by handle, over gRPC."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError

from deployments.inference.slots import QueueFullError
from deployments.inference.speech import Batch
from pipelines.errors import TransientError
from pipelines.payloads import Prompt

RECEIPT_S = 10.0  # how long a request waits for a replica: long enough for a busy one, not for a model to load
START_S = 15.0  # when to come again where a replica has to start first


class RemoteLane:
    """A model's inference service by its handle; answers `DirectApi`."""

    def __init__(self, model: str, handle: Any, *, receipt_s: float = RECEIPT_S) -> None:
        self._model = model
        self._handle = handle
        self._receipt_s = receipt_s

    @classmethod
    def find(cls, model: str) -> "RemoteLane":
        """The lane of a service that may not be there yet."""
        handle = serve.get_deployment_handle("inference", f"inference.{model}", _check_exists=False)
        # Unlike Ray's own calls, gRPC ends with its caller: when this process dies, the replica hears of it.
        options = {"stream": True, "_by_reference": False, "response_serialization": "pickle"}
        return cls(model, handle.options(method_name="generate", **options))

    async def generate(self, prompt: Prompt, traceparent: str = "") -> AsyncGenerator[Batch, None]:
        """See `DirectApi`."""
        stream = self._handle.remote(prompt, traceparent)
        try:
            async with asyncio.timeout(self._receipt_s):
                receipt = await anext(stream)
            yield receipt
            async for batch in stream:
                yield batch
        except TimeoutError as error:
            raise TransientError(f"no replica of {self._model} yet", retry_after_s=START_S) from error
        except RayTaskError as error:
            raise error.cause from None  # what the replica raised, without Ray's wrapping
        except BackPressureError as error:
            raise QueueFullError("Too many requests wait for this model.") from error
        except (RayActorError, DeploymentUnavailableError, RequestCancelledError) as error:
            raise TransientError(f"the replica of {self._model} is gone", retry_after_s=1.0) from error
        finally:
            stream.cancel()  # Serve does not notice a reader that has left

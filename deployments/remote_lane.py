"""A model's replicas, for ingestion: direct requests go to one of them by handle, over gRPC."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ray import serve

from deployments.inference.speech import Batch
from deployments.remote_faults import RECEIPT_S, call_of
from pipelines.payloads import Prompt


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
            with call_of(self._model):
                async with asyncio.timeout(self._receipt_s):
                    receipt = await anext(stream)
                yield receipt
                async for batch in stream:
                    yield batch
        finally:
            stream.cancel()  # Serve does not notice a reader that has left

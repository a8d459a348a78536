"""The knowledge service by its handle."""

import asyncio
from typing import Any, cast

from ray import serve

from deployments.file_search import FileSearch
from deployments.remote_faults import call_of
from pipelines.payloads import Passage

ANSWER_S = 60.0  # how long a question may take; the first search of a service loads its models


class RemoteKnowledge:
    """Answers `KnowledgeApi`. Raises what the service raises, and TransientError where it cannot be reached."""

    def __init__(self, handle: Any, *, answer_s: float = ANSWER_S) -> None:
        self._handle = handle
        self._answer_s = answer_s

    @classmethod
    def find(cls) -> "RemoteKnowledge":
        """The service, which may not be there yet."""
        return cls(serve.get_deployment_handle("knowledge", "knowledge", _check_exists=False))

    async def search(self, tenant: str, search: FileSearch) -> list[Passage]:
        """The passages that fit best."""
        return cast("list[Passage]", await self._ask("search", tenant, search))

    async def texts(self, tenant: str, store: str, attachment: str) -> list[str]:
        """The text of an indexed file."""
        return cast("list[str]", await self._ask("texts", tenant, store, attachment))

    async def _ask(self, question: str, *arguments: Any) -> Any:
        with call_of("knowledge"):
            async with asyncio.timeout(self._answer_s):
                return await self._handle.ask.remote(question, *arguments)

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError

from deployments.file_search import FileSearch
from deployments.remote_knowledge import RemoteKnowledge
from pipelines.errors import RejectError, TransientError

SEARCH = FileSearch(stores=("vs_1",), queries=("fox",))


class Handle:
    """A service's handle: answers with what it was asked, or raises."""

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault
        self.ask = self

    async def remote(self, *arguments: Any) -> Any:
        if self._fault is not None:
            raise self._fault
        return list(arguments)


class Silent(Handle):
    async def remote(self, *_: Any) -> Any:
        await asyncio.Event().wait()


async def test_the_service_is_asked_by_name() -> None:
    knowledge = RemoteKnowledge(Handle())
    assert await knowledge.search("default", SEARCH) == ["search", "default", SEARCH]
    assert await knowledge.texts("default", "vs_1", "vsf_1") == ["texts", "default", "vs_1", "vsf_1"]


async def test_what_the_service_refuses_is_refused() -> None:
    fault = RayTaskError("ask", "traceback", RejectError("no such store", "vector_store_not_found"))
    with pytest.raises(RejectError, match="no such store"):
        await RemoteKnowledge(Handle(fault)).search("default", SEARCH)


async def test_a_service_that_is_not_there_may_come_back() -> None:
    with pytest.raises(TransientError, match="is gone"):
        await RemoteKnowledge(Handle(ActorUnavailableError("gone", None))).texts("default", "vs_1", "vsf_1")


async def test_a_service_without_a_replica_is_not_waited_for_for_ever() -> None:
    with pytest.raises(TransientError, match="no replica") as caught:
        await RemoteKnowledge(Silent(), answer_s=0.01).texts("default", "vs_1", "vsf_1")
    assert caught.value.retry_after_s

"""The knowledge service by its handle."""

from typing import Any, cast

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from deployments.file_search import FileSearch
from pipelines.errors import TransientError
from pipelines.payloads import Passage


class RemoteKnowledge:
    """Answers `KnowledgeApi`. Raises what the service raises, and TransientError where it cannot be reached."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

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
        try:
            return await self._handle.ask.remote(question, *arguments)
        except RayTaskError as error:
            raise error.cause from None  # what the service raised, without Ray's wrapping
        except (RayActorError, BackPressureError, DeploymentUnavailableError) as error:
            raise TransientError("knowledge is not reachable", retry_after_s=1.0) from error

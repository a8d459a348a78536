"""The services of the wiring without topics, by their handles."""

from typing import Any

from ray import serve

from deployments.remote_faults import call_of


class RemoteService:
    """A service by its handle; answers `ServiceApi`. Serve chooses the replica."""

    def __init__(self, application: str, handle: Any) -> None:
        self._application = application
        self._handle = handle

    @classmethod
    def find(cls, application: str) -> "RemoteService":
        """That of an application, which may not be there yet."""
        deployment = application.partition(".")[0]
        return cls(application, serve.get_deployment_handle(deployment, application, _check_exists=False))

    async def work(self, topic: str) -> str:
        """See `ServiceApi`. A call waits for a replica where there is none."""
        with call_of(self._application):
            following: str = await self._handle.work.remote(topic)
        return following

"""From a request to its first token, as a client of the platform sees it."""

import asyncio
import json
from time import monotonic

import httpx
from websockets.asyncio.client import connect


class Client:
    """One keep-alive HTTP connection, and a WebSocket per job."""

    def __init__(self, http: httpx.AsyncClient, port: int) -> None:
        self._http = http
        self._port = port

    async def first_token_s(self, body: dict[str, object]) -> float:
        """Seconds from the POST to the first token on the job's stream, which is opened after the reply.

        Waits for the stream's end, so that the system is idle again. Raises RuntimeError where there was no token.
        """
        started, first = monotonic(), None
        reply = await self._http.post(f"http://127.0.0.1:{self._port}/async-generate", json=body)
        stream = reply.raise_for_status().json()["links"]["stream"]
        async with asyncio.timeout(120), connect(f"ws://127.0.0.1:{self._port}{stream}") as socket:
            async for frame in socket:
                if first is None and json.loads(frame)["type"] == "token":
                    first = monotonic()
        if first is None:
            raise RuntimeError(f"{stream} showed no token")
        return first - started

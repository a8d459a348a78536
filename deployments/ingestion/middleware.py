"""What surrounds every request, as pure ASGI: identity and time of the reply, unforeseen errors, tenant, size.

Never Starlette's BaseHTTPMiddleware: it turns a fault in the middle of a stream into a clean end.
"""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingestion.errors import ApiError, api_error, error_response
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
DEFAULT_TENANT = "default"
OPEN_PATHS = frozenset({"/health", "/ready", "/metrics"})  # probes carry no token
_TAKES_FILES = re.compile(r"/v1/files|/v1/uploads/[^/]+/parts")
POLICY_VIOLATION = 1008  # WebSocket close code


class Identity:
    """Gives the reply its id and duration, and answers what nobody caught. The outermost layer."""

    def __init__(self, app: ASGIApp, *, ports: Ports) -> None:
        self._app = app
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(scope, send, f"req_{self._ports.random.getrandbits(128):032x}")
        try:
            await self._app(scope, receive, reply.send)
        except Exception as error:
            caller = Headers(scope=scope).get("x-client-request-id", "")
            facts = {"request_id": reply.request_id, "client_request_id": caller, "path": scope["path"]}
            log.exception("request failed", extra=facts)
            if reply.started:
                raise
            await error_response(api_error(error))(scope, receive, reply.send)


class _Reply:
    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._begun = time.perf_counter()
        self.request_id = request_id
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            milliseconds = round((time.perf_counter() - self._begun) * 1000)
            message["headers"] += [
                (b"x-request-id", self.request_id.encode()),
                (b"openai-processing-ms", str(milliseconds).encode()),
                (b"openai-version", b"2020-10-01"),
                (b"openai-organization", tenant_of(self._scope).encode("latin-1", "replace")),
            ]
        await self._send(message)


class Authentication:
    """Who asks. Without configured tenants everybody is `default`."""

    def __init__(self, app: ASGIApp, *, tenants: Mapping[str, str]) -> None:
        self._app = app
        self._tenants = tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if self._tenants and scope["type"] in ("http", "websocket") and scope["path"] not in OPEN_PATHS:
            scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
            tenant = self._tenants.get(token.strip()) if scheme.lower() == "bearer" else None
            if tenant is None:
                await _refuse(scope, receive, send)
                return
            scope.setdefault("state", {})["tenant"] = tenant
        await self._app(scope, receive, send)


def tenant_of(scope: Scope) -> str:
    """The tenant of a request that has passed `Authentication`."""
    tenant: str = scope.get("state", {}).get("tenant", DEFAULT_TENANT)
    return tenant


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    error = ApiError(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.", "invalid_api_key")
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await error_response(error)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": error.message})


class BodyLimit:
    """Refuses bodies above `limit` bytes: by their declared length, or as they come in where they declare none.

    `file_limit` is that of the paths which take files, or parts of them.
    """

    def __init__(self, app: ASGIApp, *, limit: int, file_limit: int) -> None:
        self._app = app
        self._limit = limit
        self._file_limit = file_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._file_limit if _TAKES_FILES.fullmatch(scope["path"]) else self._limit
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if not declared.isdigit():
            receive = _Counted(receive, limit).receive
        elif int(declared) > limit:
            await error_response(_too_large(limit))(scope, receive, send)
            return
        await self._app(scope, receive, send)


@dataclass(slots=True)
class _Counted:
    _receive: Receive
    _left: int

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large(None)
        return message


def _too_large(limit: int | None) -> ApiError:
    most = f" It may have at most {limit} bytes." if limit else ""
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is too large.{most}", "body_too_large")

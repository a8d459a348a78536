"""What the engines of other servers share: who may call now, and what a refusal means for a job.

Invariants:
- At most `slots` calls run at once, and a slot is free again when its call has ended, however it ended.
- A server that asks to be left alone is: until then nothing is sent, and there is no room.
- No message that a client sees tells anything of the key.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

from pipelines.errors import HeliographError, RejectError, TransientError

_REJECTED = {400: "invalid_value", 404: "model_not_found", 413: "invalid_value", 422: "invalid_value"}
_PASSING = {408, 409, 425, 429}  # and all from 500 on
_TOO_MANY = 429
_PAUSE_S = 1.0  # after a 429 that does not say how long
_LONGEST_PAUSE_S = 600.0  # then one more request finds out, whatever the server has asked for


class EndpointError(RuntimeError):
    """The server refuses for a reason that neither the client nor time mends: its operator must see to it."""


class Endpoint:
    """One model of one server; `clock` gives Unix seconds."""

    def __init__(self, *, url: str, model: str, slots: int, clock: Callable[[], float] = time.time) -> None:
        self.fingerprint = hashlib.sha256(f"{url}\n{model}".encode()).hexdigest()[:16]
        self._slots = asyncio.Semaphore(slots)
        self._clock = clock
        self._open_at = 0.0

    def has_room(self) -> bool:
        """Whether another call would be sent at once."""
        return not self._slots.locked() and self._clock() >= self._open_at

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """A slot for one call. Raises TransientError while the server wants to be left alone."""
        async with self._slots:
            wait = self._open_at - self._clock()
            if wait > 0:
                raise TransientError("The model's server asked to wait.", retry_after_s=wait)
            yield

    def refusal(self, status: int, headers: Mapping[str, str], message: str, code: object = None) -> Exception:
        """What an answer of 400 or above means. `code` is the server's own, where it gave one."""
        if status in _REJECTED:
            named = isinstance(code, str) and code and not code.isdigit()  # some servers repeat the status there
            return RejectError(message, code=str(code) if named else _REJECTED[status])
        if status not in _PASSING and status < 500:
            return EndpointError(f"the model's server answered with status {status}")
        asked = _retry_after_s(headers, self._clock())
        pause = _PAUSE_S if asked is None and status == _TOO_MANY else asked
        if pause is not None:
            self._open_at = max(self._open_at, self._clock() + pause)
        return TransientError(f"The model's server answered with status {status}.", retry_after_s=pause)


class EndpointEngine:
    """What an engine on another server has of the engine protocol, beside its `generate` and `close`."""

    can_continue = False
    step_tokens = 0

    def __init__(self, endpoint: Endpoint, *, context: int) -> None:
        self.context = context
        self.fingerprint = endpoint.fingerprint
        self._endpoint = endpoint

    async def start(self) -> None:
        """Nothing: a server that is down now may be up when the first job comes."""

    def decode(self, ids: list[int]) -> str:
        """No text: it has no ids."""
        del ids
        return ""

    def has_room(self) -> bool:
        """Whether a slot is free, and the server has not asked to be left alone."""
        return self._endpoint.has_room()


def unreachable(error: BaseException) -> HeliographError:
    """The connection failed, or broke in the middle of an answer."""
    return TransientError(f"The model's server cannot be reached: {error or type(error).__name__}")


def ended_early() -> HeliographError:
    """The answer came to its end without saying why."""
    return TransientError("The model's server ended its answer early.")


def _retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """The wait that a server asks for: milliseconds, seconds or a date, whichever it gives; None for none."""
    asked = _number(headers.get("retry-after-ms"), 0.001)
    if asked is None:
        asked = _number(headers.get("retry-after"), 1.0)
    if asked is None:
        asked = _until(headers.get("retry-after"), now)
    return None if asked is None else min(max(0.0, asked), _LONGEST_PAUSE_S)


def _number(text: str | None, unit: float) -> float | None:
    try:
        return None if text is None else float(text) * unit
    except ValueError:
        return None


def _until(text: str | None, now: float) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp() - now
    except ValueError:
        return None

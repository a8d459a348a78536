"""What every shared actor has. It starts its loops with the first call that reaches it.

One whose epoch was replaced ends, and so does one that is told to leave.
"""

import functools
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from ray.actor import exit_actor

from actors.pickled import packed, unpacked
from actors.stores import StaleEpochError

log = logging.getLogger("heliograph")
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Shell")


def served(
    method: Callable[Concatenate[S, P], Awaitable[R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """A method of an actor: starts the loops before the first call, ends the process of a replaced writer.

    Who has packed nothing gets nothing packed: a service of an older version may not know how to unpack.
    """

    @functools.wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        self.start()
        try:
            answer = await method(self, *map(unpacked, args), **kwargs)
            return packed(answer) if any(isinstance(each, bytes) for each in args) else answer
        except StaleEpochError:
            log.critical("replaced by a newer writer; this process ends")
            os._exit(1)

    return call


class Shell:
    """Base of the actors."""

    _started = False

    def start(self) -> None:
        """Start the loops, once, on the actor's event loop."""
        if not self._started:
            self._started = True
            self._start()

    def _start(self) -> None:
        """What to start."""

    async def ready(self) -> int:
        """The process id, once the actor serves."""
        self.start()
        return os.getpid()

    async def leave(self) -> None:
        """End for good, as soon as all that is asked is answered. Whoever asks now is told that the actor is dead."""
        exit_actor()

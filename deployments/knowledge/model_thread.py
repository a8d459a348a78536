"""A model on a thread of its own: it computes beside the event loop, one question after another."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Generic, TypeVar

M = TypeVar("M")
A = TypeVar("A")


class ModelThread(Generic[M]):
    """`load` makes the model, on that thread, when it is first asked."""

    def __init__(self, load: Callable[[], M], name: str) -> None:
        self._load = cache(load)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def ask(self, question: Callable[[M], A]) -> A:
        """What the question makes of the model. Raises what loading or answering raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: question(self._load()))

    def close(self) -> None:
        """Take no further questions; the present one ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""How callers share a model, which here is a hand that can be held."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from actors.telemetry.metrics import RecordedMetrics
from deployments.knowledge.batching import BatchedEncoder, BatchedReranker
from deployments.knowledge.encoder import Encoder
from deployments.knowledge.encoding import Pair, TextOrTokens, Vectors
from deployments.knowledge.model_thread import ModelThread
from deployments.knowledge.reranker import Reranker
from tests.contract.encoders import tokenizer
from tests.factories import make_ports


class Hand:
    """A model that answers when it is let, and remembers what it was asked; it drops what has the id 666 in it."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.free = threading.Event()
        self.asked = threading.Semaphore(0)

    def vectors(self, texts: Sequence[list[int]]) -> Vectors:
        self._call(len(texts))
        if [666] in texts:
            raise MemoryError
        return np.array([[text[0], 0] for text in texts], np.float32)

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        self._call(len(pairs))
        return [len(pair.passage) / 100 for pair in pairs]

    def _call(self, size: int) -> None:
        self.calls.append(size)
        self.asked.release()
        assert self.free.wait(10)


class Ids(Encoder):
    """Takes ids only, so that nothing happens on the way to the model."""

    async def tokens(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        return [list(map(int, text)) for text in texts]


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def metrics() -> RecordedMetrics:
    return RecordedMetrics()


@pytest.fixture
def encoder(hand: Hand, metrics: RecordedMetrics) -> BatchedEncoder:
    return BatchedEncoder(
        Ids(tokenizer(), ModelThread(lambda: hand, "hand")), size=4, ports=replace(make_ports(), metrics=metrics)
    )


async def first_call(hand: Hand) -> None:
    assert await asyncio.to_thread(hand.asked.acquire, timeout=10)


async def test_what_comes_while_the_model_computes_is_its_next_call(
    encoder: BatchedEncoder, hand: Hand, metrics: RecordedMetrics
) -> None:
    early = asyncio.create_task(encoder.embed([[1]]))
    await first_call(hand)
    late = [asyncio.create_task(encoder.embed([[number]])) for number in range(2, 8)]
    await asyncio.sleep(0)  # each is at the model's door now
    hand.free.set()
    assert [(await task).vectors[0, 0] for task in (early, *late)] == list(range(1, 8))
    assert hand.calls == [1, 4, 2]
    assert metrics.values[("batch_size", ("batch", "embedding"))] == [1, 4, 2]


async def test_who_has_many_texts_keeps_nobody_from_their_turn(encoder: BatchedEncoder, hand: Hand) -> None:
    many = asyncio.create_task(encoder.embed([[number] for number in range(1, 21)]))
    await first_call(hand)
    done: list[str] = []
    many.add_done_callback(lambda _: done.append("many"))
    one = asyncio.create_task(encoder.embed([[99]]))
    one.add_done_callback(lambda _: done.append("one"))
    await asyncio.sleep(0)
    hand.free.set()
    await asyncio.gather(many, one)
    assert done == ["one", "many"]


async def test_a_call_that_fails_is_repeated_in_halves_so_that_the_bad_text_fails_alone(
    encoder: BatchedEncoder, hand: Hand
) -> None:
    hand.free.set()
    with pytest.raises(MemoryError):
        await encoder.embed([[1], [666]])
    first, second = await asyncio.gather(encoder.embed([[5]]), encoder.embed([[666]]), return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert isinstance(second, MemoryError)


async def test_a_rerankers_passages_go_together_too(hand: Hand, metrics: RecordedMetrics) -> None:
    hand.free.set()
    alone = Reranker(ModelThread(lambda: hand, "hand"))
    reranker = BatchedReranker(alone, size=4, ports=replace(make_ports(), metrics=metrics))
    assert await reranker.scores("q", ["a" * length for length in range(1, 7)]) == [i / 100 for i in range(1, 7)]
    assert metrics.values[("batch_size", ("batch", "reranking"))] == [4, 2]


async def test_a_model_is_loaded_once_on_its_own_thread_and_again_where_that_failed() -> None:
    places: list[str] = []

    def load() -> str:
        places.append(threading.current_thread().name)
        if len(places) == 1:
            raise OSError("the disk")
        return "model"

    thread = ModelThread(load, "mine")
    with pytest.raises(OSError, match="the disk"):
        await thread.ask(str.upper)
    assert [await thread.ask(str.upper) for _ in range(2)] == ["MODEL", "MODEL"]
    assert places == ["mine_0", "mine_0"]
    thread.close()

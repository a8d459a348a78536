"""What every encoder and every reranker keeps."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from deployments.knowledge.encoding import EncoderApi, RerankerApi, TextOrTokens, Vectors
from tests.contract.encoders import KINDS, encoder, reranker

QUESTION = "Who keeps the lighthouse at night?"
ANSWER = "The keeper of the lighthouse stays awake at night and keeps the lamp burning."
NEAR = "A lighthouse stands on the cliff."
FAR = "Bread is baked of flour, water and salt."
TEXTS = (QUESTION, ANSWER, NEAR, FAR, "ship " * 700, "é", " ")
CLOSE = 1e-5  # what the order of additions may change in float32


@pytest.fixture(params=KINDS)
def encoding(request: pytest.FixtureRequest) -> EncoderApi:
    return encoder(request.param)


@pytest.fixture(params=KINDS)
def reranking(request: pytest.FixtureRequest) -> RerankerApi:
    return reranker(request.param)


async def vectors(encoding: EncoderApi, *texts: TextOrTokens) -> Vectors:
    return (await encoding.embed(texts)).vectors


async def test_each_text_has_one_vector_of_length_one_and_a_count_of_tokens(encoding: EncoderApi) -> None:
    found = await encoding.embed(TEXTS)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape[0] == len(found.tokens) == len(TEXTS)
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=CLOSE)
    assert found.tokens[4:] == [700, 1, 0]


async def test_a_text_has_the_same_vector_in_any_company(encoding: EncoderApi) -> None:
    together = await vectors(encoding, *TEXTS)
    alone = [await vectors(encoding, text) for text in TEXTS]
    assert np.concatenate(alone) == pytest.approx(together, abs=CLOSE)
    at_once = await asyncio.gather(*(vectors(encoding, text, FAR) for text in TEXTS))
    assert np.stack([pair[0] for pair in at_once]) == pytest.approx(together, abs=CLOSE)


async def test_the_same_call_has_the_same_bits(encoding: EncoderApi) -> None:
    assert np.array_equal(await vectors(encoding, *TEXTS), await vectors(encoding, *TEXTS))


async def test_what_is_alike_is_near(encoding: EncoderApi) -> None:
    question, answer, near, far = await vectors(encoding, QUESTION, ANSWER, NEAR, FAR)
    assert question @ answer > question @ near > question @ far


async def test_token_ids_are_texts_too(encoding: EncoderApi) -> None:
    found = await encoding.embed([[2023, 2003], FAR, [2023]])
    assert found.tokens[0] == 2
    assert found.tokens[2] == 1
    assert found.vectors[0] @ found.vectors[2] > found.vectors[0] @ found.vectors[1]


async def test_every_part_of_a_long_text_counts(encoding: EncoderApi) -> None:
    filler = "water " * 400
    first, last, without, question = await vectors(
        encoding, f"{ANSWER * 30} {filler}", f"{filler} {ANSWER * 30}", filler, QUESTION
    )
    assert first @ last > 0.95
    assert question @ last > question @ without


async def test_passages_are_scored_in_their_order(reranking: RerankerApi) -> None:
    scores = await reranking.scores(QUESTION, [FAR, ANSWER, NEAR, " ", ANSWER])
    assert all(0 <= score <= 1 for score in scores)
    assert scores[1] > scores[2] > scores[0] >= scores[3]
    assert scores[4] == pytest.approx(scores[1], abs=CLOSE)
    assert await reranking.scores(QUESTION, []) == []


async def test_a_score_is_the_same_in_any_company(reranking: RerankerApi) -> None:
    passages = [text for text in TEXTS if text.strip()]
    together = await reranking.scores(QUESTION, passages)
    alone = [await reranking.scores(QUESTION, [passage]) for passage in passages]
    assert flat(alone) == pytest.approx(together, abs=CLOSE)
    queries = (QUESTION, FAR, NEAR)
    at_once = await asyncio.gather(*(reranking.scores(query, passages) for query in queries))
    assert at_once[0] == pytest.approx(together, abs=CLOSE)
    assert at_once[1].index(max(at_once[1])) == passages.index(FAR)


async def test_a_query_is_answered_best_by_itself(reranking: RerankerApi) -> None:
    (own,) = await reranking.scores(QUESTION, [QUESTION])
    assert own == pytest.approx(1, abs=CLOSE)


def flat(lists: Sequence[Sequence[float]]) -> list[float]:
    return [each for one in lists for each in one]

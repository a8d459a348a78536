"""Embeddings with the real client, by the packaged model."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai as sdk_errors
import pytest

MODEL = "all-minilm-l6-v2"
DIMENSIONS = 384
QUESTION = "Who looks after the lighthouse?"
PASSAGES = ["The keeper climbs the tower every night and trims the lamp.", "Bread is baked of flour, water and salt."]


def vectors(openai: Any, *texts: str, **options: Any) -> Any:
    answer = openai.embeddings.create(model=MODEL, input=list(texts), encoding_format="float", **options)
    return np.array([each.embedding for each in answer.data])


def test_what_answers_a_question_is_nearest_to_it(openai: Any) -> None:
    answer = openai.embeddings.create(model=MODEL, input=[QUESTION, *PASSAGES], encoding_format="float")
    assert (answer.model, [each.index for each in answer.data]) == (MODEL, [0, 1, 2])
    question, near, far = (np.array(each.embedding) for each in answer.data)
    assert question.shape == (DIMENSIONS,)
    assert question @ near > question @ far + 0.2
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 20


def test_numbers_come_in_base64_too(openai: Any) -> None:
    floats = vectors(openai, QUESTION)
    raw = openai.embeddings.with_raw_response.create(model=MODEL, input=QUESTION, encoding_format="base64")
    coded = raw.http_response.json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(coded), "<f4") == pytest.approx(floats[0], abs=1e-6)


def test_fewer_dimensions_are_enough_to_tell_them_apart(openai: Any) -> None:
    question, near, far = vectors(openai, QUESTION, *PASSAGES, dimensions=128)
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-5)
    assert question @ near > question @ far


def test_many_clients_at_once_get_the_vectors_of_their_own_texts(openai: Any) -> None:
    texts = [f"{word} number {number}" for number in range(8) for word in ("ship", "lamp", "loaf", "cat")]
    together = vectors(openai, *texts)
    with ThreadPoolExecutor(16) as threads:
        alone = list(threads.map(lambda text: vectors(openai, text)[0], texts))
    assert np.array(alone) == pytest.approx(together, abs=1e-5)


def test_the_model_is_listed_and_bad_input_is_refused(openai: Any) -> None:
    assert MODEL in [model.id for model in openai.models.list()]
    assert openai.models.retrieve(MODEL).id == MODEL
    bad = sdk_errors.BadRequestError
    refused: list[tuple[dict[str, Any], type[sdk_errors.APIStatusError]]] = [
        ({"model": "nobody"}, sdk_errors.NotFoundError),
        ({"model": "scripted"}, bad),
        ({"input": ""}, bad),
        ({"input": [30522]}, bad),
        ({"dimensions": DIMENSIONS + 1}, bad),
        ({"input": ["a " * 150_001] * 2}, bad),
    ]
    for changes, kind in refused:
        with pytest.raises(kind) as caught:
            openai.embeddings.create(**{"model": MODEL, "input": "Hi", "encoding_format": "float", **changes})
        assert caught.value.param in changes

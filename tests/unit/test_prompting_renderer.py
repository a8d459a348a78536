from pathlib import Path
from typing import Any

import pytest

from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import WordCounter
from pipelines.errors import RejectError
from pipelines.payloads import Message, Request

CONTEXT = 20


@pytest.fixture
def renderer(tmp_path: Path) -> PromptRenderer:
    model = PromptModel(context=CONTEXT, default_max_output_tokens=8, tokenizer=WordCounter())
    return PromptRenderer(templates=Templates(tmp_path), models={"m": model})


def request(words: int = 3, **more: Any) -> Request:
    return Request(**{"model": "m", "messages": [Message(role="user", content="word " * words)], **more})


def test_the_prompt_carries_what_the_engine_needs(renderer: PromptRenderer) -> None:
    prompt = renderer.prompt(request(temperature=0.5, top_p=0.9, priority=3, metadata={"scripted": "{}"}))
    assert (prompt.input_tokens, prompt.token_ids, prompt.max_tokens) == (3, None, 8)
    assert (prompt.temperature, prompt.top_p, prompt.priority) == (0.5, 0.9, 3)
    assert prompt.metadata == {"scripted": "{}"}


def test_instructions_stand_first(renderer: PromptRenderer) -> None:
    messages = renderer.messages(request(instructions="Be brief."))
    assert [message.role for message in messages] == ["system", "user"]


@pytest.mark.parametrize(("words", "expected"), [(3, 8), (12, 8), (15, 5), (19, 1)])
def test_the_default_limit_shrinks_to_the_room_that_is_left(
    renderer: PromptRenderer, words: int, expected: int
) -> None:
    assert renderer.prompt(request(words)).max_tokens == expected


def test_the_limit_that_the_client_set_is_kept(renderer: PromptRenderer) -> None:
    assert renderer.prompt(request(3, max_output_tokens=17)).max_tokens == 17


@pytest.mark.parametrize(("words", "asked"), [(20, None), (21, None), (3, 18), (20, 1)])
def test_what_does_not_fit_into_the_context_is_rejected(
    renderer: PromptRenderer, words: int, asked: int | None
) -> None:
    with pytest.raises(RejectError) as caught:
        renderer.check_length(request(words, max_output_tokens=asked))
    assert caught.value.code == "context_length_exceeded"


def test_an_unknown_model_is_rejected(renderer: PromptRenderer) -> None:
    with pytest.raises(RejectError) as caught:
        renderer.prompt(request(model="other"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_an_unknown_template_is_rejected(renderer: PromptRenderer) -> None:
    with pytest.raises(RejectError) as caught:
        renderer.messages(Request(model="m", template="other"))
    assert caught.value.code == "template_not_found"

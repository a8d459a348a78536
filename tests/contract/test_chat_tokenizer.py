"""SmolLM2's own tokenizer and chat template: what an earlier turn had as ids, a later one has too."""

from pathlib import Path

import pytest

from deployments.prompting.past import Past, PastTurn
from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import ChatTokenizer
from heliograph.models import add_model
from pipelines.jobs import Usage
from pipelines.payloads import Prompt, Request, Result

CONTEXT = 2048
ANSWERS = ["Hello!", "Où? 漢字 👩🏽‍🚀 e\u0301.", " spaced  \n", ""]


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return ChatTokenizer(add_model("smollm2-135m-instruct"))


@pytest.fixture(scope="module")
def renderer(tokenizer: ChatTokenizer, tmp_path_factory: pytest.TempPathFactory) -> PromptRenderer:
    folder: Path = tmp_path_factory.mktemp("templates")
    model = PromptModel(context=CONTEXT, default_max_output_tokens=16, tokenizer=tokenizer)
    return PromptRenderer(templates=Templates(folder), models={"m": model})


def asking(text: str, **more: object) -> Request:
    return Request.model_validate({"model": "m", "input": [{"role": "user", "content": text}], **more})


def answered(request: Request, prompt: Prompt, text: str, token_ids: list[int]) -> Past:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
    result = Result(output=output, usage=Usage(), finish_reason="stop", engine_fingerprint="f", token_ids=token_ids)
    return Past(turns=[PastTurn(request, result)], parent=prompt)


def ids_of(tokenizer: ChatTokenizer, text: str) -> list[int]:
    return tokenizer.encode_text(text).token_ids or []


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("ending", ["<|im_end|>", ""])
def test_a_later_turn_begins_with_the_ids_of_the_one_before(
    renderer: PromptRenderer, tokenizer: ChatTokenizer, answer: str, ending: str
) -> None:
    first = asking("Where are you?", instructions="Be brief.")
    prompt = renderer.prompt(first)
    # Letter by letter, as no tokenizer would, but a model may.
    made = [token for letter in answer for token in ids_of(tokenizer, letter)] + ids_of(tokenizer, ending)
    start = (prompt.token_ids or []) + made
    second = asking("And now?", instructions="Be brief.")
    past = answered(first, prompt, answer, made)
    ids = renderer.prompt(second, past).token_ids or []
    plain = renderer.prompt(second, Past(turns=past.turns)).token_ids or []
    assert ids[: len(start)] == start
    assert tokenizer.text(ids) == tokenizer.text(plain)


def test_where_the_beginning_differs_all_is_encoded_anew(renderer: PromptRenderer, tokenizer: ChatTokenizer) -> None:
    first = asking("Where are you?", instructions="Be brief.")
    prompt = renderer.prompt(first)
    past = answered(first, prompt, "Here.", ids_of(tokenizer, "He") + ids_of(tokenizer, "re.<|im_end|>"))
    second = asking("And now?")  # its instructions are others
    assert renderer.prompt(second, past) == renderer.prompt(second, Past(turns=past.turns))

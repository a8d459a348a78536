from pathlib import Path
from typing import Any

import pytest

from deployments.prompting.past import Past, PastTurn
from deployments.prompting.renderer import PromptModel, PromptRenderer
from deployments.prompting.templates import Templates
from deployments.prompting.tokenizers import WordCounter
from pipelines.errors import RejectError
from pipelines.jobs import Usage
from pipelines.payloads import Message, Request, Result, Turn

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


def item(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}], **more}


def turn(asked: str, answered: str, **more: Any) -> PastTurn:
    result = Result(output=[item("assistant", answered)], usage=Usage(), finish_reason="stop", engine_fingerprint="f")
    return PastTurn(Request(**{"model": "m", "input": [item("user", asked)], **more}), result)


def past(*turns: PastTurn) -> Past:
    return Past(turns=turns)


def following(**more: Any) -> Request:
    return request(messages=None, input=[item("user", "c")], **more)


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def test_earlier_turns_come_before_what_precedes_the_input(renderer: PromptRenderer) -> None:
    said = renderer.messages(
        following(before=[item("user", "b")], instructions="Now."), past(turn("a1", "a2", instructions="Then."))
    )
    assert texts(said) == ["Now.", "a1", "a2", "b", "c"]


def test_an_earlier_turn_brings_what_preceded_it_once(renderer: PromptRenderer) -> None:
    first = item("user", "0", id="msg_0")
    said = renderer.messages(following(before=[first]), past(turn("a1", "a2", before=[first])))
    assert texts(said) == ["0", "a1", "a2", "c"]


def test_an_earlier_job_of_messages_is_a_turn_too(renderer: PromptRenderer) -> None:
    earlier = turn("", "a2", input=None, messages=[Message(role="user", content="a1")])
    assert texts(renderer.messages(following(), past(earlier))) == ["a1", "a2", "c"]


def test_an_output_may_answer_a_call_of_an_earlier_turn(renderer: PromptRenderer) -> None:
    call = {"type": "function_call", "id": "fc", "call_id": "call", "name": "f", "arguments": "{}"}
    earlier = turn("a1", "a2")
    earlier.result.output.append(call)
    output = {"type": "function_call_output", "call_id": "call", "output": "d"}
    asked = request(messages=None, input=[output], context=[Turn(request="r", result="s")])
    assert texts(renderer.prompt(asked, past(earlier)).messages) == ["a1", "a2", "d"]
    renderer.check_length(asked)  # which does not know the turn
    with pytest.raises(RejectError, match="call"):
        renderer.prompt(asked, past(turn("a1", "a2")))


def test_tools_and_sampling_go_to_the_engine(renderer: PromptRenderer) -> None:
    tool = {"type": "function", "name": "f", "parameters": None}
    prompt = renderer.prompt(request(tools=[tool], tool_choice="required", stop=["x"], seed=1, top_logprobs=2))
    assert (prompt.tools, prompt.tool_choice, prompt.stop, prompt.seed, prompt.top_logprobs) == (
        [tool],
        "required",
        ["x"],
        1,
        2,
    )
    assert prompt.grammar is not None


def test_what_does_not_fit_is_left_out_from_the_oldest_on(renderer: PromptRenderer) -> None:
    turns = past(turn("one " * 6, "two"), turn("three", "four"))
    said = renderer.prompt(following(truncation="auto", instructions="Now.", max_output_tokens=16), turns)
    assert texts(said.messages) == ["Now.", "three", "four", "c"]
    with pytest.raises(RejectError) as caught:
        renderer.prompt(following(instructions="Now.", max_output_tokens=16), turns)
    assert caught.value.code == "context_length_exceeded"


def test_an_output_goes_with_its_call(renderer: PromptRenderer) -> None:
    call = {"type": "function_call", "call_id": "call", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call", "output": "d"}
    items = [item("user", "one " * 9), call, item("user", "word " * 9), output, item("user", "c")]
    said = renderer.prompt(request(messages=None, input=items, truncation="auto", max_output_tokens=11))
    assert texts(said.messages) == ["c"]


def test_what_does_not_fit_alone_is_rejected(renderer: PromptRenderer) -> None:
    with pytest.raises(RejectError) as caught:
        renderer.prompt(request(30, truncation="auto"))
    assert caught.value.code == "context_length_exceeded"


def test_counting_needs_no_room(renderer: PromptRenderer) -> None:
    assert renderer.count(request(30)) == 30
    assert renderer.count(following(), past(turn("a1 a1", "a2"))) == 4

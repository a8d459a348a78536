from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from deployments.inference.speech import Batch
from deployments.ingestion.chat_view import ChatChunks, ChatHead, chat_object
from deployments.ingestion.completion_view import CompletionChunks, CompletionHead
from events.v1.tokens_pb2 import Logprob
from pipelines.jobs import Usage
from pipelines.operations import Kind, Piece

HEAD = ChatHead("chatcmpl-" + "0" * 28, 1, "m", "default", "f")
OTHER = Logprob(token="e", utf8=b"e", logprob=-1)  # noqa: S106 - no secret
LIKELY = Logprob(token="é", utf8="é".encode(), logprob=-0.5, top=[OTHER])  # noqa: S106 - no secret
CALLS = (
    Piece(text="", kind=Kind.FUNCTION_CALL, name="look", opens=True),
    Piece(text='{"a":', kind=Kind.FUNCTION_CALL),
    Piece(text="1}", kind=Kind.FUNCTION_CALL),
    Piece(text="{}", kind=Kind.FUNCTION_CALL, name="go", opens=True),
)


def deltas(*batches: Batch, logprobs: bool = False) -> list[dict[str, Any]]:
    chunks = ChatChunks(HEAD, 0, logprobs=logprobs)
    objects = [dict(chunk) for batch in batches for chunk in chunks.of(batch)]
    for chunk in objects:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    return [chunk["choices"][0] for chunk in objects]


def whole(*pieces: Piece, reason: str = "stop", logprobs: bool = False) -> dict[str, Any]:
    answer = chat_object(HEAD, [Batch(pieces, reason, Usage(3, 4, 2), 1)], logprobs=logprobs)
    ChatCompletion.model_validate(answer, strict=True)
    return answer


def test_a_call_opens_with_id_and_name_and_goes_on_with_arguments() -> None:
    _, opened, *more, end = deltas(Batch(CALLS), Batch(finish_reason="stop"))
    (call,) = opened["delta"]["tool_calls"]
    assert (call["index"], call["type"], call["function"]) == (0, "function", {"name": "look", "arguments": ""})
    assert more[0]["delta"]["tool_calls"] == [{"index": 0, "function": {"arguments": '{"a":'}}]
    (second,) = more[2]["delta"]["tool_calls"]
    assert (second["index"], second["function"]) == (1, {"name": "go", "arguments": "{}"})
    assert second["id"] != call["id"]
    assert end["finish_reason"] == "tool_calls"


def test_the_calls_of_an_object_are_those_of_the_stream() -> None:
    opened = deltas(Batch(CALLS))[1]["delta"]["tool_calls"][0]
    first = CALLS[0].__class__(text='{"a":1}', kind=Kind.FUNCTION_CALL, name="look", opens=True)
    (choice,) = whole(first, CALLS[-1])["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]] == ['{"a":1}', "{}"]
    assert choice["message"]["tool_calls"][0]["id"] == opened["id"]


def test_calls_that_the_limit_cut_short_end_for_the_limit() -> None:
    assert whole(*CALLS[:1], reason="length")["choices"][0]["finish_reason"] == "length"


def test_reasoning_is_apart_from_the_content() -> None:
    thought, said = Piece(text="Hm", kind=Kind.REASONING), Piece(text="Yes")
    _, first, second = deltas(Batch((thought, said)))
    assert (first["delta"], second["delta"]) == ({"reasoning_content": "Hm"}, {"content": "Yes"})
    message = whole(thought, said)["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm", "Yes")


def test_likelihoods_are_shown_where_they_are_asked_for() -> None:
    said = Piece(text="é", logprobs=(LIKELY,))
    expected = {
        "token": "é",
        "bytes": [195, 169],
        "logprob": -0.5,
        "top_logprobs": [{"token": "e", "bytes": [101], "logprob": -1.0}],
    }
    assert deltas(Batch((said,)), logprobs=True)[1]["logprobs"]["content"] == [expected]
    assert whole(said, logprobs=True)["choices"][0]["logprobs"]["content"] == [expected]
    assert whole(said)["choices"][0]["logprobs"] is None


def test_the_usage_counts_a_shared_prompt_once() -> None:
    batch = Batch((), "stop", Usage(3, 4, 2), 1)
    usage = chat_object(HEAD, [batch, batch], logprobs=False)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 8, 11)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 2}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_the_offsets_of_a_completion_go_on_from_chunk_to_chunk() -> None:
    chunks = CompletionChunks(CompletionHead("cmpl-1", 1, "m"), 0, logprobs=True)
    said = Batch((Piece(text="é", logprobs=(LIKELY,)),))
    (first,), (second,) = chunks.of(said), chunks.of(said)
    assert [part["choices"][0]["logprobs"]["text_offset"] for part in (first, second)] == [[0], [1]]
    assert first["choices"][0]["logprobs"]["top_logprobs"] == [{"é": -0.5, "e": -1.0}]

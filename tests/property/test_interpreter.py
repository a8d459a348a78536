"""Whatever a model says: it is read the same however its tokens come, and from every cut of the log."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from deployments.engines.protocol import TokenLogprob, Tokens
from deployments.inference.calls import ForcedCall, ForcedCalls, HermesReader
from deployments.inference.interpreter import merged
from deployments.inference.readers import Chain, Reader
from deployments.inference.thoughts import ThinkReader
from pipelines.operations import Kind, Piece, replay
from tests.outputs import Vocabulary, grouped, items, written

READERS: dict[str, Callable[[], Reader | None]] = {
    "none": lambda: None,
    "think": ThinkReader,
    "hermes": HermesReader,
    "both": lambda: Chain(ThinkReader(), HermesReader()),
    "named": lambda: ForcedCall("look"),
    "required": ForcedCalls,
}
CALL = '{"name": "look", "arguments": {"at": "é👩🏽‍🚀\\"}<", "n": [1, {}]}}'
FRAGMENTS = st.one_of(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            CALL,
            f"<tool_call>\n{CALL}\n</tool_call>",
            '<tool_call>{"name": 1}</tool_call>',
            f'[{CALL}, {{"name":"b"}}]',
            "STOP",
            "STO",
            "\n\n",
            "漢字 e\u0301",
            "<",
            "{",
        ]
    ),
    st.text(max_size=4),
)
STOPS = st.lists(st.sampled_from(["STOP", "OPS", "\n\n", "é", "<tool", '"n"']), max_size=2, unique=True)


class Said(NamedTuple):
    vocabulary: Vocabulary
    batches: list[Tokens]
    stop: list[str]
    reader: Callable[[], Reader | None]

    @property
    def ids(self) -> list[int]:
        return [token for batch in self.batches for token in batch.ids]


@st.composite
def outputs(draw: st.DrawFn) -> Said:
    data = "".join(draw(st.lists(FRAGMENTS, max_size=6))).encode()
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=40))})
    tokens = [data[start:end] for start, end in pairwise(cuts)]
    likely = draw(st.booleans())
    ends = sorted({0, len(tokens), *draw(st.lists(st.integers(0, len(tokens)), max_size=10))})
    batches = [_batch(range(start, end), likely) for start, end in pairwise(ends)] or [Tokens([], None)]
    batches[-1] = batches[-1]._replace(finish_reason=draw(st.sampled_from(["stop", "length"])))
    return Said(Vocabulary(tokens), batches, draw(STOPS), READERS[draw(st.sampled_from(sorted(READERS)))])


def _batch(ids: Sequence[int], likely: bool) -> Tokens:
    return Tokens(list(ids), None, [TokenLogprob(token, -0.5, []) for token in ids] if likely else None)


@given(outputs())
def test_from_every_cut_of_the_log_the_same_items_come(said: Said) -> None:
    whole = written(said.vocabulary.interpreter(said.stop, said.reader()), said.batches)
    for cut in range(len(whole)):
        state = replay(whole[:cut])
        done = len(state.token_ids)
        rest = [
            batch._replace(ids=batch.ids[skip:], logprobs=batch.logprobs and batch.logprobs[skip:])
            for batch, skip in zip(said.batches, _skips(said.batches, done), strict=True)
        ]
        later = written(said.vocabulary.interpreter(said.stop, said.reader()), rest, state)
        assert items([*whole[:cut], *later]) == items(whole)
        assert replay([*whole[:cut], *later]).token_ids == replay(whole).token_ids


def _skips(batches: Sequence[Tokens], done: int) -> list[int]:
    skips = []
    for batch in batches:
        skips.append(min(done, len(batch.ids)))
        done -= skips[-1]
    return skips


@given(outputs())
def test_what_is_said_does_not_depend_on_how_the_ids_come(said: Said) -> None:
    together, apart = (said.vocabulary.interpreter(said.stop, said.reader()) for _ in range(2))
    at_once = together.push(said.ids) + together.flush()
    one_by_one = [piece for token in said.ids for piece in apart.push([token])] + apart.flush()
    assert _spoken(at_once) == _spoken(one_by_one)
    assert (together.read, together.stopped) == (apart.read, apart.stopped)
    assert together.reasoning_tokens == apart.reasoning_tokens


def _spoken(pieces: Sequence[Piece]) -> list[Piece]:
    return merged([piece for piece in pieces if piece.text or piece.opens])


@given(outputs())
def test_without_a_reader_the_text_is_all_up_to_the_first_stop_string(said: Said) -> None:
    interpreter = said.vocabulary.interpreter(said.stop)
    text = "".join(piece.text for piece in interpreter.push(said.ids) + interpreter.flush())
    assert text == _until_stop(said.vocabulary.decode(said.ids), said.stop)


def _until_stop(text: str, stop: Sequence[str]) -> str:
    for end in range(len(text) + 1):
        starts = [end - len(string) for string in stop if text[:end].endswith(string)]
        if starts:
            return text[: min(starts)]
    return text


@given(outputs())
def test_likelihoods_are_those_of_the_tokens_that_are_shown(said: Said) -> None:
    interpreter = said.vocabulary.interpreter()
    likely = [TokenLogprob(token, -0.5, []) for token in said.ids]
    pieces = interpreter.push(said.ids, likely) + interpreter.flush()
    data = b"".join(logprob.utf8 for piece in pieces for logprob in piece.logprobs)
    assert data.decode(errors="replace") == "".join(piece.text for piece in pieces)


@given(st.text(), st.lists(st.integers(0, 60)))
def test_a_text_without_marks_is_a_message(text: str, cuts: list[int]) -> None:
    data = text.encode(errors="replace")
    ends = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    vocabulary = Vocabulary([data[start:end] for start, end in pairwise(ends)])
    interpreter = vocabulary.interpreter(reader=Chain(ThinkReader(), HermesReader()))
    pieces = interpreter.push(range(len(vocabulary.tokens))) + interpreter.flush()
    if "<think>" not in text and "<tool_call>" not in text:
        expected = data.decode().lstrip()
        assert grouped(pieces) == ([(Kind.MESSAGE, "", expected)] if expected else [])

"""Whatever the text and the tokenizer, chunks are slices that cover it, and are not too long."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.data import chunker
from pipelines.data.chunker import Span, Window, chunk
from tests.encoders import word_spans

TEXTS = st.text(alphabet=st.sampled_from("ab cé.日🌀\n"), max_size=300) | st.text(max_size=100)
WINDOWS = st.integers(1, 12).flatmap(
    lambda size: st.builds(Window, size=st.just(size), overlap=st.integers(0, size // 2))
)

SLOWLY = settings(deadline=None)  # other processes may hold the machine up


def byte_spans(text: str) -> list[Span]:
    """A tokenizer whose tokens are bytes, so that a character may be several of them."""
    return [(at, at + 1) for at, character in enumerate(text) for _ in character.encode(errors="replace")]


@SLOWLY
@given(TEXTS, WINDOWS)
def test_chunks_are_slices_that_cover_the_text(text: str, window: Window) -> None:
    spans = list(chunk(text, word_spans, window))
    if not word_spans(text):
        assert spans == []
        return
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(before[0] < after[0] <= before[1] < after[1] for before, after in pairwise(spans))


@SLOWLY
@given(TEXTS, WINDOWS)
def test_a_chunk_has_at_most_so_many_tokens_and_all_but_the_last_have_as_many(text: str, window: Window) -> None:
    tokens = [len(word_spans(text[start:end])) for start, end in chunk(text, word_spans, window)]
    assert all(count == window.size for count in tokens[:-1])
    assert all(0 < count <= window.size for count in tokens)


@SLOWLY
@given(TEXTS, WINDOWS)
def test_so_many_tokens_of_a_chunk_are_in_the_next_one_too(text: str, window: Window) -> None:
    for before, after in pairwise(chunk(text, word_spans, window)):
        assert len(word_spans(text[after[0] : before[1]])) == window.overlap


@SLOWLY
@given(TEXTS, st.integers(4, 12), st.integers(0, 2))
def test_a_character_of_several_tokens_is_not_cut(text: str, size: int, overlap: int) -> None:
    spans = list(chunk(text, byte_spans, Window(size, overlap)))
    assert all(len(byte_spans(text[start:end])) <= size for start, end in spans)
    assert all(before[0] < after[0] <= before[1] for before, after in pairwise(spans))
    assert (spans[0][0], spans[-1][1]) == (0, len(text)) if text else not spans


def test_a_text_of_many_blocks_is_cut_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"word{number}{' ' if number % 3 else chr(10)}" for number in range(500))
    window = Window(7, 3)
    whole = list(chunk(text, word_spans, window))
    monkeypatch.setattr(chunker, "BLOCK", 50)
    assert list(chunk(text, word_spans, window)) == whole


def test_a_word_without_an_end_is_many_tokens() -> None:
    spans = list(chunk("x" * 100_000, lambda text: [(0, len(text))], Window(100, 0)))
    assert all(end - start <= 100 * chunker.LONGEST for start, end in spans)
    assert "".join("x" * (end - start) for start, end in spans) == "x" * 100_000

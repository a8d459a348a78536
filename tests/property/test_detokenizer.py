"""A byte-level vocabulary is the hardest case: a token may end inside a character, or be no text at all."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.inference.detokenizer import Detokenizer

PIECES = [bytes([b]) for b in range(256)] + ["é".encode(), b" ray", "👩🏽‍🚀".encode()[:5], "\u0301".encode(), b""]
ids_lists = st.lists(st.integers(0, len(PIECES) - 1), max_size=40)
texts = st.text(max_size=30)


def decode(ids: list[int]) -> str:
    return b"".join(PIECES[i] for i in ids).decode(errors="replace")


def whole(ids: list[int]) -> str:
    detokenizer = Detokenizer(decode)
    return detokenizer.push(ids) + detokenizer.flush()


@given(ids_lists)
def test_pieces_and_flush_are_the_whole_text(ids: list[int]) -> None:
    assert whole(ids) == decode(ids)


@given(texts)
def test_text_cut_at_every_byte_comes_out_unharmed(text: str) -> None:
    assert whole(list(text.encode())) == text


@given(ids_lists, st.data())
def test_pieces_do_not_depend_on_how_the_ids_are_batched(ids: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(ids)))
    together, apart = Detokenizer(decode), Detokenizer(decode)
    assert together.push(ids) == apart.push(ids[:cut]) + apart.push(ids[cut:])
    assert together.flush() == apart.flush()


@given(ids_lists, st.data())
def test_whoever_was_given_many_at_once_stands_where_the_others_stand(ids: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(ids)))
    together, apart = Detokenizer(decode), Detokenizer(decode)
    assert together.push(ids[:cut]) == "".join([apart.push([token]) for token in ids[:cut]])
    assert [together.push([token]) for token in ids[cut:]] == [apart.push([token]) for token in ids[cut:]]


@given(ids_lists, st.data())
def test_a_silent_replay_goes_on_where_the_text_ended(ids: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(ids)))
    first, second = Detokenizer(decode), Detokenizer(decode)
    shown = first.push(ids[:cut])
    second.push(ids[:cut])
    assert shown + second.push(ids[cut:]) + second.flush() == decode(ids)


@given(st.text(alphabet="aé漢👩", min_size=1, max_size=10), st.data())
def test_no_piece_ends_inside_a_character(text: str, data: st.DataObject) -> None:
    ids = list(text.encode())
    cut = data.draw(st.integers(0, len(ids)))
    assert "\ufffd" not in Detokenizer(decode).push(ids[:cut])

"""What a message cites does not depend on how its text comes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.v1.tokens_pb2 import Citation
from pipelines.citations import Citer
from pipelines.payloads import Source

SOURCES = [Source(file_id=f"file-{n}", filename=f"{n}.txt", start=n, end=2 * n) for n in range(1, 13)]
WORDS = st.sampled_from(["[1]", "[", "]", "1", "12", "[12]", "[13]", "[0]", "[999]", "[[2]]", "é", " ", "[007]"])
PIECES = st.lists(WORDS, max_size=12)


def cited(pieces: list[str]) -> list[Citation]:
    citer = Citer(SOURCES)
    numbered = [each for piece in pieces for each in citer.read(piece)]
    assert [number for number, _ in numbered] == list(range(len(numbered)))
    assert [citation for _, citation in numbered] == list(citer.found)
    return list(citer.found)


@settings(deadline=None)
@given(PIECES)
def test_pieces_cite_what_the_whole_text_does(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert cited(pieces) == cited([whole]) == cited(list(whole))


@settings(deadline=None)
@given(PIECES, PIECES)
def test_a_citer_that_goes_on_finds_what_one_that_read_all_does(before: list[str], after: list[str]) -> None:
    text = "".join(before)
    citer = Citer(SOURCES, text, cited(before))
    citer.read("".join(after))
    assert list(citer.found) == cited([*before, *after])


@settings(deadline=None)
@given(PIECES)
def test_every_citation_stands_where_it_says_and_names_its_source(pieces: list[str]) -> None:
    text = "".join(pieces)
    for citation in cited(pieces):
        number = int(text[citation.position + 1 : text.index("]", citation.position)])
        source = SOURCES[number - 1]
        assert text[citation.position] == "["
        assert (citation.file_id, citation.start, citation.end) == (source.file_id, source.start, source.end)


def test_only_a_message_that_cites_nothing_rests_on_all_its_files_each_once() -> None:
    citer = Citer([*SOURCES[:2], SOURCES[0]], "abc")
    assert [(number, each.file_id, each.position) for number, each in citer.rest()] == [
        (0, "file-1", 3),
        (1, "file-2", 3),
    ]
    citer = Citer(SOURCES)
    citer.read("[3]")
    assert citer.rest() == []

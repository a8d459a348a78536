"""Passages are found by likeness and by words, among the files that are there, and read again by a reranker."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.index import Chunk, Hit, Index
from actors.system import real_ports
from deployments.knowledge.filters import parse_filters
from deployments.knowledge.retrieval import Attached, Passage, Ranking, Retriever, Search, Shelf, fuse
from tests.chunks import chunk_table
from tests.encoders import WordEncoder, WordReranker

TEXTS = {
    "att_1": ["the moon pulls the tides", "spring tides are high"],
    "att_2": ["the moon is far away", "a heron stands in the reeds"],
    "att_3": ["bread rises with yeast"],
}
LIVE = {
    name: Attached(f"file-{number}", f"{name}.txt", {"year": 2020 + number, "kind": "note"})
    for number, name in enumerate(TEXTS, start=1)
}


@pytest.fixture
async def index(tmp_path: Path) -> Index:
    index = Index(str(tmp_path), real_ports().ids)
    for name, texts in TEXTS.items():
        await index.upsert("a", "vs_1", chunk_table(name, texts, file=LIVE[name].file))
    return index


def texts(passages: Sequence[Passage]) -> list[str]:
    return [passage.text for passage in passages]


async def test_the_best_comes_first_with_its_file_and_place(index: Index) -> None:
    first, *_ = await Retriever(index, WordEncoder()).search("a", [Shelf("vs_1", LIVE)], Search(["moon tides"]))
    text = TEXTS["att_1"][0]
    assert first == Passage("att_1", LIVE["att_1"], text, 0, len(text), 1.0)


@pytest.mark.parametrize("reranker", [None, WordReranker()])
async def test_scores_fall_from_one_to_nought(index: Index, reranker: WordReranker | None) -> None:
    passages = await Retriever(index, WordEncoder(), reranker).search(
        "a", [Shelf("vs_1", LIVE)], Search(["moon tides"])
    )
    scores = [passage.score for passage in passages]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


async def test_a_store_without_files_or_chunks_finds_nothing(index: Index) -> None:
    retriever = Retriever(index, WordEncoder(), WordReranker())
    assert await retriever.search("a", [Shelf("vs_1", {})], Search(["moon"])) == []
    assert await retriever.search("a", [Shelf("vs_2", LIVE)], Search(["moon"])) == []
    assert await retriever.search("b", [Shelf("vs_1", LIVE)], Search(["moon"])) == []


async def test_an_attachment_that_is_not_live_is_not_found_and_takes_no_place(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_dead", ["the moon pulls the tides"] * 200))
    passages = await Retriever(index, WordEncoder()).search(
        "a", [Shelf("vs_1", LIVE)], Search(["the moon pulls the tides"])
    )
    assert {passage.attachment for passage in passages} == {"att_1", "att_2", "att_3"}


async def test_filters_choose_files_before_the_search_is_cut(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_4", ["the moon pulls the tides"] * 200))
    live = {**LIVE, "att_4": Attached("file-4", "many.txt", {"year": 1999})}
    condition = parse_filters({"type": "and", "filters": [
        {"type": "eq", "key": "kind", "value": "note"},
        {"type": "gte", "key": "year", "value": 2022},
    ]})  # fmt: skip
    retriever = Retriever(index, WordEncoder())
    passages = await retriever.search(
        "a", [Shelf("vs_1", live)], Search(["the moon pulls the tides"], condition=condition)
    )
    assert sorted(texts(passages)) == sorted(TEXTS["att_2"] + TEXTS["att_3"])
    nobody = parse_filters({"type": "eq", "key": "kind", "value": "other"})
    assert await retriever.search("a", [Shelf("vs_1", live)], Search(["moon"], condition=nobody)) == []


async def test_no_more_are_given_than_were_asked_for(index: Index) -> None:
    retriever = Retriever(index, WordEncoder(), WordReranker())
    assert len(await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["moon"], limit=2))) == 2


async def test_what_scores_below_the_threshold_is_left_out(index: Index) -> None:
    retriever = Retriever(index, WordEncoder(), WordReranker())
    passages = await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["moon tides"], threshold=0.5))
    assert [(passage.text, passage.score) for passage in passages] == [
        ("the moon pulls the tides", 1.0),
        ("spring tides are high", 0.5),
        ("the moon is far away", 0.5),
    ]


async def test_a_reranker_decides_unless_it_is_not_wanted(index: Index) -> None:
    class Contrary:
        async def scores(self, query: str, passages: Sequence[str]) -> list[float]:
            return [float("bread" in passage and query != "") for passage in passages]

    retriever = Retriever(index, WordEncoder(), Contrary())
    assert texts(await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["moon tides"], limit=1))) == TEXTS["att_3"]
    plain = await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["moon tides"], limit=1, rerank="none"))
    assert texts(plain) == TEXTS["att_1"][:1]


async def test_several_queries_are_asked_together_and_each_may_win(index: Index) -> None:
    encoder = WordEncoder()
    for reranker in [None, WordReranker()]:
        retriever = Retriever(index, encoder, reranker)
        passages = await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["heron reeds", "bread yeast"], limit=2))
        assert sorted(texts(passages)) == ["a heron stands in the reeds", "bread rises with yeast"]
    assert encoder.calls == [2, 2]


async def test_several_stores_are_searched_as_one(index: Index) -> None:
    await index.upsert("a", "vs_2", chunk_table("att_9", ["the moon pulls the tides of the sea"]))
    shelves = [Shelf("vs_1", LIVE), Shelf("vs_2", {"att_9": Attached("file-9", "nine.txt", {})}), Shelf("vs_3", {})]
    passages = await Retriever(index, WordEncoder(), WordReranker()).search("a", shelves, Search(["moon tides sea"]))
    assert texts(passages)[:2] == ["the moon pulls the tides of the sea", "the moon pulls the tides"]
    assert len(passages) == 6


async def test_a_search_without_weight_is_not_made(index: Index) -> None:
    encoder = WordEncoder()
    retriever = Retriever(index, encoder)
    by_words = await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["heron"], weights=(0.0, 1.0)))
    assert texts(by_words) == ["a heron stands in the reeds"]
    assert encoder.calls == []
    by_vector = await retriever.search("a", [Shelf("vs_1", LIVE)], Search(["heron"], weights=(0.5, 0.0)))
    assert texts(by_vector)[0] == "a heron stands in the reeds"
    assert len(by_vector) == 5


def test_a_chunk_that_both_searches_have_beats_what_only_one_has_first() -> None:
    first, second, third = (Chunk(name, "att", "file", 0, 0, 1, name) for name in "abc")
    rankings = [Ranking(1.0, [Hit(first, 0.9), Hit(second, 0.8)]), Ranking(1.0, [Hit(third, 7.0), Hit(second, 6.0)])]
    fused = fuse(rankings)
    assert [hit.chunk.id for hit in fused] == ["b", "a", "c"]
    assert fused[0].score == pytest.approx(61 / 62)
    assert fused[1].score == pytest.approx(0.5)
    heavier = fuse([rankings[0], rankings[1]._replace(weight=3.0)])
    assert [hit.chunk.id for hit in heavier] == ["b", "c", "a"]

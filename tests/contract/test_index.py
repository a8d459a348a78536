"""Chunks in LanceDB, in a folder and in an object storage: written once, found at once, gone when removed."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import obstore
import pytest

from actors import index as index_module
from actors.index import Chunk, Index
from actors.storage import open_storage
from actors.stores import StoreUnavailableError
from actors.system import real_ports
from tests.chunks import chunk_table
from tests.encoders import vector_of
from tests.losing_proxy import LosingProxy
from tests.s3 import S3Server

TEXTS = ["the moon pulls the tides", "a heron stands in the reeds", "bread rises with yeast"]


def open_index(place: str) -> Index:
    return Index(place, real_ports().ids)


async def found(index: Index, text: str, *, store: str = "vs_1", tenant: str = "a") -> tuple[list[str], list[str]]:
    """What a search by vector and one by words find, the best first."""
    near = await index.nearest(tenant, store, vector_of(text), limit=50)
    matching = await index.matching(tenant, store, text, limit=50)
    return [hit.chunk.text for hit in near], [hit.chunk.text for hit in matching]


@pytest.fixture
def index(place: str) -> Index:
    return open_index(place)


async def test_a_store_without_chunks_is_empty(index: Index) -> None:
    assert await found(index, "moon") == ([], [])
    assert await index.chunks("a", "vs_1", "att_1") == []
    await index.remove("a", "vs_1", ["att_1"])
    await index.tidy("a", "vs_1")
    await index.drop("a", "vs_1")


async def test_what_was_written_is_found_at_once_by_vector_and_by_words(index: Index) -> None:
    for number, text in enumerate(TEXTS):
        await index.upsert("a", "vs_1", chunk_table(f"att_{number}", [text]))
        by_vector, by_words = await found(index, text)
        assert by_vector[0] == text
        assert by_words[0] == text


async def test_an_equal_vector_has_the_score_one(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    best, *others = await index.nearest("a", "vs_1", vector_of(TEXTS[0]), limit=3)
    assert best.score == pytest.approx(1.0, abs=1e-5)
    assert all(other.score < best.score for other in others)


async def test_other_forms_of_a_word_match_and_words_of_a_language_without_spaces(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", [*TEXTS, "東京都の天気"]))
    assert (await found(index, "rising breads"))[1] == [TEXTS[2]]
    assert (await found(index, "天気"))[1] == ["東京都の天気"]


async def test_signs_of_a_query_language_are_but_signs(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    for words in ['"moon', "moon AND (", "moon*~:^\\", "-moon", "text:moon"]:
        assert (await index.matching("a", "vs_1", words, limit=5))[0].chunk.text == TEXTS[0]
    for nothing in ["", "  ", "?!", "the"]:
        assert await index.matching("a", "vs_1", nothing, limit=5) == []


async def test_chunks_come_in_order_as_they_were_written(index: Index) -> None:
    texts = [f"part {number}" for number in range(12)]
    await index.upsert("a", "vs_1", chunk_table("att_1", texts).take(list(reversed(range(12)))))
    await index.upsert("a", "vs_1", chunk_table("att_2", ["other"]))
    chunks = await index.chunks("a", "vs_1", "att_1")
    assert [chunk.text for chunk in chunks] == texts
    assert chunks[3] == Chunk("att_1.0000003", "att_1", "file-1", 3, 0, 6, "part 3")


async def test_a_chunk_that_is_written_again_is_replaced(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    await index.upsert("a", "vs_1", chunk_table("att_1", ["a new text", *TEXTS[1:]]))
    by_vector, by_words = await found(index, "a new text")
    assert sorted(by_vector) == sorted(["a new text", *TEXTS[1:]])
    assert by_words == ["a new text"]
    assert (await found(index, "moon tides"))[1] == []


async def test_a_removed_attachment_is_found_no_more(index: Index) -> None:
    for attachment in ["att_1", "att_2", "it's"]:
        await index.upsert("a", "vs_1", chunk_table(attachment, TEXTS))
    await index.remove("a", "vs_1", ["att_1", "it's"])
    assert [len(texts) for texts in await found(index, "moon")] == [3, 1]
    assert await index.chunks("a", "vs_1", "att_1") == []
    assert len(await index.chunks("a", "vs_1", "att_2")) == 3


async def test_a_search_may_be_narrowed_to_attachments_before_it_is_cut(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", [TEXTS[0]] * 60))
    await index.upsert("a", "vs_1", chunk_table("it's", ["the moon"]))
    near = await index.nearest("a", "vs_1", vector_of(TEXTS[0]), limit=5, attachments=["it's"])
    matching = await index.matching("a", "vs_1", TEXTS[0], limit=5, attachments=["it's", "att_9"])
    assert [hit.chunk.attachment for hit in [*near, *matching]] == ["it's", "it's"]


async def test_stores_and_tenants_are_apart(index: Index) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    await index.upsert("a", "vs_2", chunk_table("att_2", ["the moon alone"]))
    assert await found(index, "moon", tenant="b") == ([], [])
    assert (await found(index, "moon", store="vs_2"))[1] == ["the moon alone"]
    await index.drop("a", "vs_1")
    assert await found(index, "moon") == ([], [])
    assert (await found(index, "moon", store="vs_2"))[1] == ["the moon alone"]


async def test_a_dropped_store_takes_nothing_more_from_any_process(place: str) -> None:
    writer, other = open_index(place), open_index(place)
    await writer.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    for _ in range(2):
        await other.drop("a", "vs_1")
        await other.drop("a", "vs_2")
    for store in ["vs_1", "vs_2"]:
        await open_index(place).upsert("a", store, chunk_table("att_2", TEXTS))
        with suppress(StoreUnavailableError):  # where it had the table open
            await writer.upsert("a", store, chunk_table("att_2", TEXTS))
        await writer.upsert("a", store, chunk_table("att_2", TEXTS))
        assert await found(writer, "moon", store=store) == ([], [])
    assert await tables_in(place) == set()


async def test_one_process_sees_at_once_what_another_has_done(place: str) -> None:
    writer, reader = open_index(place), open_index(place)
    for number, text in enumerate(TEXTS):
        await writer.upsert("a", "vs_1", chunk_table(f"att_{number}", [text]))
        assert (await found(reader, text))[1] == [text]
    await writer.tidy("a", "vs_1")
    await writer.remove("a", "vs_1", ["att_0"])
    assert (await found(reader, TEXTS[0]))[1] == []
    await writer.drop("a", "vs_1")
    assert await found(reader, TEXTS[1]) == ([], [])


async def test_two_writers_of_one_chunk_write_it_once(place: str) -> None:
    writers = [open_index(place) for _ in range(4)]
    for number in range(5):
        await asyncio.gather(*(writer.upsert("a", "vs_1", chunk_table(f"att_{number}", TEXTS)) for writer in writers))
    near = await writers[0].nearest("a", "vs_1", vector_of("moon"), limit=1000)
    assert len(near) == len({hit.chunk.id for hit in near}) == 15


async def test_two_first_writers_of_a_store_both_keep_what_they_wrote(place: str) -> None:
    writers = [open_index(place) for _ in range(4)]
    for store in ["vs_1", "vs_2", "vs_3"]:
        await asyncio.gather(
            *(writer.upsert("a", store, chunk_table(f"att_{number}", TEXTS)) for number, writer in enumerate(writers))
        )
        near = await writers[0].nearest("a", store, vector_of("moon"), limit=1000)
        assert sorted(hit.chunk.id for hit in near) == sorted(f"att_{n}.000000{k}" for n in range(4) for k in range(3))
    assert len(await tables_in(place)) == 3


async def test_writing_removing_and_tidying_may_happen_together(place: str) -> None:
    indexes = [open_index(place) for _ in range(3)]
    await indexes[0].upsert("a", "vs_1", chunk_table("att_old", TEXTS))
    await asyncio.gather(
        *(indexes[0].upsert("a", "vs_1", chunk_table(f"att_{number}", TEXTS)) for number in range(10)),
        *(indexes[1].tidy("a", "vs_1") for _ in range(5)),
        indexes[2].remove("a", "vs_1", ["att_old"]),
    )
    near = await indexes[1].nearest("a", "vs_1", vector_of("moon"), limit=1000)
    assert sorted(hit.chunk.id for hit in near) == sorted(f"att_{n}.000000{k}" for n in range(10) for k in range(3))


async def test_small_writes_are_put_together(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "WRITING", index_module.WRITING._replace(fragments=4))
    for number in range(12):
        await index.upsert("a", "vs_1", chunk_table(f"att_{number}", TEXTS))
    assert (await stats_of(index))[0] <= 5
    assert len(await index.nearest("a", "vs_1", vector_of("moon"), limit=100)) == 36


async def test_words_are_read_one_by_one_of_few_rows_only(index: Index) -> None:
    for number in range(4):
        await index.upsert("a", "vs_1", chunk_table(f"att_{number}", [f"tide {place}" for place in range(100)]))
    assert (await stats_of(index))[1] <= 300
    await index.upsert("a", "vs_1", chunk_table("att_9", [f"ebb {place}" for place in range(40)]))
    await index.tidy("a", "vs_1")
    assert (await stats_of(index))[1] == 0
    assert len(await index.matching("a", "vs_1", "ebb", limit=100)) == 40


async def stats_of(index: Index) -> tuple[int, int]:
    """The fragments of the only open table, and its rows that the index of words lacks."""
    (opened,) = index._tables._open.values()
    stats, words = cast("Any", await opened.stats()), await opened.index_stats("text_idx")
    assert words is not None
    return stats["fragment_stats"]["num_fragments"], words.num_unindexed_rows


async def tables_in(place: str) -> set[str]:
    """The tables of which anything is stored."""
    tables = open_storage(f"{place}/tables")
    return {found["path"].partition("/")[0] for found in await obstore.list(tables).collect_async()}


async def test_a_store_whose_first_writer_lost_its_power_can_be_written(index: Index, place: str) -> None:
    await index.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    notes = index._tables._notes
    (note,) = await obstore.list(notes).collect_async()
    await obstore.put_async(notes, note["path"], b"")
    other = open_index(place)
    assert await found(other, "moon") == ([], [])
    await other.upsert("a", "vs_1", chunk_table("att_1", TEXTS))
    assert (await found(open_index(place), "moon"))[1] == [TEXTS[0]]


async def test_a_first_writer_whose_answer_is_lost_has_written(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    place = s3.new_place()
    first_note = f"PUT {place.removeprefix('s3:/')}/stores/"
    async with LosingProxy.open(s3.url, first_note.encode()) as proxy:
        for name, value in {**s3.environment, "AWS_ENDPOINT_URL": proxy.url}.items():
            monkeypatch.setenv(name, value)
        await open_index(place).upsert("a", "vs_1", chunk_table("att_1", TEXTS))
        assert proxy.has_lost
        assert (await found(open_index(place), "moon"))[1] == [TEXTS[0]]
        assert len(await tables_in(place)) == 1

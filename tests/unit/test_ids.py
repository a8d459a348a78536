from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.system import RandomIds
from events.ids import MAX_SHARDS, derived_id, is_id, make_id, milliseconds_of, shard_of

ENTROPY = st.binary(min_size=16, max_size=16)
MILLISECONDS = st.integers(0, 2**48 - 1)


@given(shard=st.integers(0, MAX_SHARDS - 1), milliseconds=MILLISECONDS, entropy=ENTROPY)
def test_an_id_names_its_shard_and_its_moment(shard: int, milliseconds: int, entropy: bytes) -> None:
    identifier = make_id("resp", shard=shard, milliseconds=milliseconds, entropy=entropy)
    assert is_id(identifier)
    assert shard_of(identifier) == shard
    assert milliseconds_of(identifier) == milliseconds


@given(earlier=MILLISECONDS, later=MILLISECONDS, entropies=st.tuples(ENTROPY, ENTROPY))
def test_ids_of_a_shard_sort_by_time(earlier: int, later: int, entropies: tuple[bytes, bytes]) -> None:
    if earlier < later:
        first = make_id("resp", shard=0, milliseconds=earlier, entropy=entropies[0])
        assert first < make_id("resp", shard=0, milliseconds=later, entropy=entropies[1])


def test_new_ids_differ() -> None:
    ids = RandomIds()
    assert len({ids.new("resp") for _ in range(1000)}) == 1000


def test_threads_share_no_id() -> None:
    ids = RandomIds()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [ids.new("resp") for _ in range(1000)], range(8)))
    assert len({item for part in made for item in part}) == 8000


def test_a_forked_child_begins_with_chance_of_its_own() -> None:
    ids = RandomIds()
    ids.new("resp")  # there is a stock now
    with get_context("fork").Pool(1) as child:
        theirs = child.map(ids.new, ["resp"] * 50)
    assert not {item[-16:] for item in theirs} & {ids.new("resp")[-16:] for _ in range(300)}


@pytest.mark.parametrize("text", ["", "resp_", "resp_1", "resp_" + "u" * 28, "RESP_" + "0" * 28, "resp_" + "0" * 29])
def test_other_texts_are_no_ids(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValueError, match="not an id"):
        shard_of(text)


def test_the_parts_of_a_job_have_ids_of_their_own() -> None:
    job = RandomIds().new("resp")
    assert derived_id("msg", job) == derived_id("msg", job)
    assert len({derived_id("msg", job), derived_id("msg", job, 1), derived_id("msg", job, 2)}) == 3

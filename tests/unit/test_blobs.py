from pathlib import Path

import pytest

from actors.blobs import Blobs
from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.memory import MemoryStore
from pipelines.commands import INLINE_BYTES
from pipelines.jobs import Reference, reference_of
from tests.factories import ManualClock, make_ports, submit


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryStore(Disk(uuid="one")), ports=make_ports())


@pytest.fixture
def blobs(journal: Journal, tmp_path: Path) -> Blobs:
    return Blobs(journal, tmp_path, ManualClock())


async def test_a_small_payload_travels_inline_and_lives_in_the_journal(journal: Journal, blobs: Blobs) -> None:
    (payload,) = await blobs.pack_many([("default", b"small")])
    assert payload.data == b"small"
    await journal.submit([submit(request=payload)])
    assert await blobs.get_many([("default", payload.reference, None)]) == [b"small"]


async def test_a_large_payload_is_a_file(blobs: Blobs, tmp_path: Path) -> None:
    large = b"x" * (INLINE_BYTES + 1)
    first, second = await blobs.pack_many([("default", large), ("default", large)])
    assert first == second
    assert first.data is None
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    assert await blobs.get_many([("default", first.reference, None)]) == [large]


async def test_another_tenant_cannot_fetch_it(blobs: Blobs) -> None:
    (payload,) = await blobs.pack_many([("a", b"x" * 9000)])
    with pytest.raises(LookupError):
        await blobs.get_many([("b", payload.reference, None)])


async def test_many_are_fetched_in_their_order(journal: Journal, blobs: Blobs) -> None:
    items = [("a", b"one"), ("b", b"two"), ("a", b"x" * 9000), ("a", b"three")]
    payloads = await blobs.pack_many(items)
    await journal.submit(
        [
            submit(number, tenant=tenant, request=payload)
            for number, ((tenant, _), payload) in enumerate(zip(items, payloads, strict=True))
        ]
    )
    wanted: list[tuple[str, Reference, bytes | None]] = [
        (tenant, payload.reference, None) for (tenant, _), payload in zip(items, payloads, strict=True)
    ]
    wanted.insert(1, ("b", payloads[1].reference, b"at hand"))
    assert await blobs.get_many(wanted) == [b"one", b"at hand", b"two", b"x" * 9000, b"three"]


async def test_bytes_at_hand_are_used(blobs: Blobs) -> None:
    (payload,) = await blobs.pack_many([("a", b"at hand")])
    assert await blobs.get_many([("b", payload.reference, b"at hand")]) == [b"at hand"]


async def test_the_key_of_a_small_payload_begins_with_the_time_so_that_an_index_grows_at_its_end(
    journal: Journal, tmp_path: Path
) -> None:
    clock = ManualClock()
    blobs = Blobs(journal, tmp_path, clock)
    keys = []
    for number in range(20):
        clock.time += 1
        (payload,) = await blobs.pack_many([("default", b"%d" % number)])
        keys.append(payload.reference.hash)
        assert payload.reference.hash.endswith(reference_of(b"%d" % number).hash)
    assert keys == sorted(keys)

"""Contents in a folder and in an object storage, streamed both ways."""

from collections.abc import AsyncGenerator

import pytest

from actors.objects import CHUNK_BYTES, Objects
from actors.stores import StoreUnavailableError

PIECE = bytes(range(256)) * (CHUNK_BYTES // 256)


async def pieces(count: int, *, broken: bool = False) -> AsyncGenerator[bytes]:
    for _ in range(count):
        yield PIECE
    if broken:
        raise ConnectionResetError("the client has gone")


async def read(objects: Objects, file: str, tenant: str = "a") -> bytes:
    return b"".join([piece async for piece in await objects.get(tenant, file)])


@pytest.mark.parametrize("count", [0, 1, 12])
async def test_what_was_put_is_read_and_counted(place: str, count: int) -> None:
    objects = Objects(place)
    assert await objects.put("a", "file-1", pieces(count)) == count * CHUNK_BYTES
    assert await read(objects, "file-1") == PIECE * count


async def test_it_comes_in_pieces(place: str) -> None:
    objects = Objects(place)
    await objects.put("a", "file-1", pieces(20))
    sizes = [len(piece) async for piece in await objects.get("a", "file-1")]
    assert sum(sizes) == 20 * CHUNK_BYTES
    assert max(sizes) <= 4 * CHUNK_BYTES


async def test_a_content_that_breaks_off_is_not_there(place: str) -> None:
    objects = Objects(place)
    with pytest.raises((ConnectionResetError, StoreUnavailableError)):
        await objects.put("a", "file-1", pieces(7, broken=True))
    with pytest.raises(FileNotFoundError):
        await read(objects, "file-1")


async def test_a_removed_content_is_gone_and_may_be_removed_again(place: str) -> None:
    objects = Objects(place)
    await objects.put("a", "file-1", pieces(1))
    for _ in range(2):
        await objects.remove("a", "file-1")
    with pytest.raises(FileNotFoundError):
        await read(objects, "file-1")


async def test_tenants_do_not_share_a_content(place: str) -> None:
    objects = Objects(place)
    await objects.put("a/../b", "file-1", pieces(1))
    with pytest.raises(FileNotFoundError):
        await read(objects, "file-1", "b")
    assert await read(objects, "file-1", "a/../b") == PIECE

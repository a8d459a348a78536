"""Large files go through a server in pieces: how far its memory rises does not depend on their size."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import ServerProcess

BLOCK = 1 << 20
BLOCKS, PART_BLOCKS = 300, 100
MOST_BYTES = 64 << 20
NAMED = {"filename": "large.bin", "purpose": "user_data", "mime_type": "application/octet-stream"}


class Memory:
    """How far the memory of a server's processes rises from now on."""

    def __init__(self, server: ServerProcess) -> None:
        self._folders = [Path(f"/proc/{process.pid}") for process in server.tree()]
        for folder in self._folders:
            (folder / "clear_refs").write_text("5")  # the peak is what there is now
        self._before = self._bytes("VmRSS")

    def rise(self) -> int:
        """Of the peak, in bytes."""
        return self._bytes("VmHWM") - self._before

    def _bytes(self, name: str) -> int:
        lines = [line.split() for folder in self._folders for line in (folder / "status").read_text().splitlines()]
        return sum(int(line[1]) << 10 for line in lines if line[0] == f"{name}:")


@pytest.fixture
def http(monolith: ServerProcess) -> Iterator[httpx.Client]:
    """A client of a server that has had files before."""
    with httpx.Client(base_url=f"{monolith.url}/v1", timeout=60) as http:
        small = http.post("/files", data={"purpose": "user_data"}, files={"file": bytes(BLOCK)}).json()["id"]
        assert http.get(f"/files/{small}/content").content == bytes(BLOCK)
        yield http


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file no block of which is like another."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with path.open("wb") as file:
        for number in range(BLOCKS):
            file.write(number.to_bytes(8) * (BLOCK // 8))
    return path


def test_a_large_file_takes_little_memory_both_ways(monolith: ServerProcess, http: httpx.Client, large: Path) -> None:
    memory = Memory(monolith)
    with large.open("rb") as file:
        made = http.post("/files", data={"purpose": "user_data"}, files={"file": file}).json()
    assert made["bytes"] == BLOCKS * BLOCK
    assert memory.rise() < MOST_BYTES
    assert_same(http, made["id"], large, Memory(monolith))


def test_a_large_upload_in_parts_takes_little_memory(monolith: ServerProcess, http: httpx.Client, large: Path) -> None:
    memory = Memory(monolith)
    upload = http.post("/uploads", json={**NAMED, "bytes": BLOCKS * BLOCK}).json()["id"]
    parts = []
    with large.open("rb") as file:
        while data := file.read(PART_BLOCKS * BLOCK):
            parts.append(http.post(f"/uploads/{upload}/parts", files={"data": data}).json()["id"])
    done = http.post(f"/uploads/{upload}/complete", json={"part_ids": parts}).json()
    assert memory.rise() < MOST_BYTES
    assert_same(http, done["file"]["id"], large, Memory(monolith))


def assert_same(http: httpx.Client, file: str, path: Path, memory: Memory) -> None:
    """What is downloaded is what was uploaded, and takes little memory too."""
    digest = hashlib.sha256()
    with http.stream("GET", f"/files/{file}/content") as reply:
        for piece in reply.iter_bytes():
            digest.update(piece)
    with path.open("rb") as source:
        assert digest.digest() == hashlib.file_digest(source, "sha256").digest()
    assert memory.rise() < MOST_BYTES
    http.delete(f"/files/{file}").raise_for_status()

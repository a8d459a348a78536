"""Files in a folder, and what indexes them, for tests of the indexing on threads and on Ray."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path

from actors.index import Chunk, Index
from actors.objects import Objects
from actors.system import real_ports
from deployments.knowledge.converter import Converter
from deployments.knowledge.encoding import Embedded, TextOrTokens
from deployments.knowledge.indexing import IndexingTools
from pipelines.data.indexing import Task
from tests.documents import docx, pdf
from tests.encoders import WordEncoder, word_spans

SIZE, OVERLAP = 20, 5
POISON = "poison"
FILES: dict[str, bytes] = {
    "tides.txt": " ".join(f"tide {number} rises" for number in range(600)).encode(),
    "herons.md": b"# Herons\n\nA heron stands in the reeds.\n",
    "bread.html": b"<h1>Bread</h1><p>It rises with yeast.</p>",
    "moon.pdf": pdf("The moon pulls the tides"),
    "letter.docx": docx("Dear heron", "the tide is high"),
    "broken.pdf": b"%PDF-1.4 broken",
    "picture.png": b"\x89PNG\r\n\x1a\n\0\0\0\r",
    "empty.txt": b"",
    "poison.txt": f"{POISON} in a small text".encode(),
}
FAULTS = {
    "broken.pdf": "invalid_file",
    "picture.png": "unsupported_file",
    "empty.txt": "invalid_file",
    "poison.txt": "server_error",
    "gone.txt": "invalid_file",
}


class PoisonedEncoder(WordEncoder):
    """One that breaks over a word."""

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:
        if any(POISON in str(text) for text in texts):
            raise RuntimeError("this encoder cannot read that")
        return await super().embed(texts)


class House:
    """A folder with contents of files and an index; it can be pickled, and makes tools in each process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> IndexingTools:
        return IndexingTools(
            objects=self.objects(),
            converter=Converter(),
            tokenize=word_spans,
            encoder=PoisonedEncoder(),
            index=self.index(),
        )

    def objects(self) -> Objects:
        return Objects(str(self._folder / "files"))

    def index(self) -> Index:
        return Index(str(self._folder / "index"), real_ports().ids)

    async def put(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            await self.objects().put("a", f"file-{name}", _pieces(content))

    async def texts(self, name: str, *, store: str = "vs_1") -> list[str]:
        return [chunk.text for chunk in await self.chunks(name, store=store)]

    async def chunks(self, name: str, *, store: str = "vs_1") -> list[Chunk]:
        return await self.index().chunks("a", store, f"att_{name}")


def tasks(names: Iterable[str], *, store: str = "vs_1") -> list[Task]:
    return [Task("a", store, f"att_{name}", f"file-{name}", name, SIZE, OVERLAP) for name in names]


async def _pieces(content: bytes) -> AsyncGenerator[bytes]:
    if content:
        yield content

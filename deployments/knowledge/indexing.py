"""What the indexing pipeline works with: the object storage, the converter, a tokenizer, the encoder and the index."""

from collections.abc import Sequence
from contextlib import aclosing

from pyarrow import Table

from actors.index import Index
from actors.objects import Objects
from deployments.knowledge.converter import Converter
from deployments.knowledge.encoding import Embedded, EncoderApi
from pipelines.data.chunker import Span, Tokenize
from pipelines.data.indexing import Task
from pipelines.errors import RejectError


class IndexingTools:
    """See `pipelines.data.indexing.Tools`. Of one process."""

    def __init__(
        self, *, objects: Objects, converter: Converter, tokenize: Tokenize, encoder: EncoderApi, index: Index
    ) -> None:
        self._objects = objects
        self._converter = converter
        self._tokenize = tokenize
        self._encoder = encoder
        self._index = index

    async def read(self, task: Task) -> bytes:
        """A file's content. Raises RejectError where it is gone or too large."""
        content = bytearray()
        try:
            async with aclosing(await self._objects.get(task.tenant, task.file)) as pieces:
                async for piece in pieces:
                    content += piece
                    self._converter.check_size(len(content))
        except FileNotFoundError:
            raise RejectError("The file is gone.", "invalid_file") from None
        return bytes(content)

    def convert(self, content: bytes, filename: str) -> str:
        """Its text."""
        return self._converter.convert(content, filename)

    def tokenize(self, text: str) -> Sequence[Span]:
        """The spans of a text's tokens."""
        return self._tokenize(text)

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors, one for one."""
        return await self._encoder.embed(texts)

    async def upsert(self, tenant: str, store: str, chunks: Table) -> None:
        """Write chunks."""
        await self._index.upsert(tenant, store, chunks)

    async def remove(self, tenant: str, store: str, attachments: Sequence[str]) -> None:
        """Remove the chunks of attachments."""
        await self._index.remove(tenant, store, attachments)

    async def tidy(self, tenant: str, store: str) -> None:
        """There is no more to write for now."""
        await self._index.tidy(tenant, store)

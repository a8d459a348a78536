"""The index of vector stores: chunks of converted files with their vectors, in LanceDB, one table for each store.

It is in a folder or at a URL such as `s3://bucket/prefix`. The journal says which attachments there are; what is here
can be made again from their files. An attachment is one attach of a file to a store.

Invariants: a chunk is there once, however often and by however many processes it is written; what was written is seen
by every search that begins later, and what was removed by none.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from actors.stores import StoreUnavailableError
from actors.tables import FAULTS, Tables
from pipelines.ports import Ids

if TYPE_CHECKING:
    from lancedb.table import AsyncTable

READ_S = 600  # a search that takes longer may find that what it reads was tidied away
_COLUMNS = ["id", "attachment", "file", "ordinal", "start", "end", "text"]
log = logging.getLogger("heliograph")
T = TypeVar("T")


class Untidy(NamedTuple):
    """What is too much of it: a search reads fresh rows' words one by one, and opens every fragment.

    Tidying takes time by how many rows there are in all, so a large table may have more that are fresh.
    """

    rows: int
    share: float
    fragments: int


WRITING = Untidy(rows=300, share=0.05, fragments=64)  # while more is to come
AT_REST = Untidy(rows=30, share=0.005, fragments=16)


class Chunk(NamedTuple):
    """A part of a converted file: `text` is what stands from `start` to `end`, in characters."""

    id: str
    attachment: str
    file: str
    ordinal: int
    start: int
    end: int
    text: str


class Hit(NamedTuple):
    """A chunk that was found, and how well it fits; scores compare within one search only."""

    chunk: Chunk
    score: float


class Index:
    """Of one process. Raises StoreUnavailableError where the storage is full, fails or does not answer."""

    def __init__(self, place: str, ids: Ids) -> None:
        self._tables = Tables(place, lambda: ids.new("index"))

    async def upsert(self, tenant: str, store: str, chunks: pa.Table) -> None:
        """Write chunks, to disk; those that are there already are replaced. A store that was dropped takes none.

        Columns: attachment, file, ordinal, start, end, text, and vector, a fixed-size list of float32.
        """
        key = _key(tenant, store)
        with self._guarded(key):
            table = await self._tables.make(key, _schema(chunks.schema.field("vector").type.list_size))
            if table is None:
                return
            merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            await merge.execute(_with_ids(chunks))
            await _tidy(table, WRITING)
            await self._tables.sync(key)

    async def remove(self, tenant: str, store: str, attachments: Collection[str]) -> None:
        """Remove the chunks of attachments; none is as good."""

        async def delete(table: "AsyncTable") -> None:
            await table.delete(_among(attachments))

        if attachments:
            await self._with_table(tenant, store, delete, None)

    async def drop(self, tenant: str, store: str) -> None:
        """Remove all of a store, for ever; none is as good."""
        key = _key(tenant, store)
        with self._guarded(key):
            await self._tables.drop(key)

    async def chunks(self, tenant: str, store: str, attachment: str) -> list[Chunk]:
        """An attachment's chunks in order."""

        async def read(table: "AsyncTable") -> list[Chunk]:
            rows = await table.query().where(_among([attachment])).select(_COLUMNS).to_arrow()
            return [_chunk(row) for row in rows.sort_by("ordinal").to_pylist()]

        return await self._with_table(tenant, store, read, [])

    async def nearest(
        self,
        tenant: str,
        store: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        attachments: Collection[str] | None = None,
    ) -> list[Hit]:
        """The chunks most like a vector of length one, by cosine; among all attachments, or these."""

        async def search(table: "AsyncTable") -> list[Hit]:
            query = table.query().nearest_to(vector).distance_type("dot").limit(limit)
            rows = await _narrowed(query, attachments).select([*_COLUMNS, "_distance"]).to_arrow()
            return [Hit(_chunk(row), 1.0 - row["_distance"]) for row in rows.to_pylist()]

        return await self._with_table(tenant, store, search, [])

    async def matching(
        self, tenant: str, store: str, words: str, *, limit: int, attachments: Collection[str] | None = None
    ) -> list[Hit]:
        """The chunks that share most with a text's words, by BM25; among all attachments, or these."""

        async def search(table: "AsyncTable") -> list[Hit]:
            query = table.query().nearest_to_text(words, columns="text").limit(limit)
            rows = await _narrowed(query, attachments).select([*_COLUMNS, "_score"]).to_arrow()
            return [Hit(_chunk(row), row["_score"]) for row in rows.to_pylist()]

        return await self._with_table(tenant, store, search, [])

    async def tidy(self, tenant: str, store: str) -> None:
        """Put small commits together, and what is new into the index of words, where it is worth the time.

        `upsert` does so now and then; call this when there is no more to write.
        """
        await self._with_table(tenant, store, partial(_tidy, limit=AT_REST), None)

    async def _with_table(self, tenant: str, store: str, use: Callable[["AsyncTable"], Awaitable[T]], nothing: T) -> T:
        """What the use gives, or nothing where there is no table."""
        key = _key(tenant, store)
        with self._guarded(key):
            table = await self._tables.find(key)
            if table is None:
                return nothing
            try:
                return await use(table)
            except FAULTS:
                self._tables.forget(key)
                if await self._tables.find(key) is None:  # another process has dropped it
                    return nothing
                raise

    @contextmanager
    def _guarded(self, key: str) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            self._tables.forget(key)
            raise StoreUnavailableError(f"index: {error}", retry_after_s=1.0) from error


async def _tidy(table: "AsyncTable", limit: Untidy) -> None:
    try:
        if await _exceeds(table, limit):
            await table.optimize(cleanup_older_than=timedelta(seconds=READ_S))
    except FAULTS as error:  # another process may be at it; nothing depends on it
        log.warning("an index was not tidied", extra={"error": str(error)})


async def _exceeds(table: "AsyncTable", limit: Untidy) -> bool:
    words = await table.index_stats("text_idx")
    stats: Any = await table.stats()
    fresh = words.num_unindexed_rows if words else 0
    many = fresh > max(limit.rows, limit.share * stats["num_rows"])
    return many or bool(stats["fragment_stats"]["num_fragments"] > limit.fragments)


def _key(tenant: str, store: str) -> str:
    return f"{sha256(tenant.encode()).hexdigest()[:16]}/{store}"  # a tenant's name may hold any character


def _schema(dimensions: int) -> pa.Schema:
    key = {"lance-schema:unenforced-primary-key": "true"}  # so that two writers of one chunk are told apart
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False, metadata=key),
            ("attachment", pa.string()),
            ("file", pa.string()),
            ("ordinal", pa.int32()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("text", pa.string()),
            ("vector", pa.list_(pa.float32(), dimensions)),
        ]
    )


def _with_ids(chunks: pa.Table) -> pa.Table:
    ordinals = pc.utf8_lpad(pc.cast(chunks["ordinal"], pa.string()), 7, "0")
    ids = pc.binary_join_element_wise(chunks["attachment"], ordinals, ".")
    schema = _schema(chunks.schema.field("vector").type.list_size)
    return chunks.append_column("id", ids).select(schema.names).cast(schema)


def _narrowed(query: Any, attachments: Collection[str] | None) -> Any:
    return query if attachments is None else query.where(_among(attachments))


def _among(attachments: Collection[str]) -> str:
    names = ("'" + name.replace("'", "''") + "'" for name in attachments)
    return f"attachment IN ({', '.join(names)})"


def _chunk(row: dict[str, Any]) -> Chunk:
    return Chunk(*(row[column] for column in _COLUMNS))

"""Batches as clients see them: created, looked at, listed, cancelled, and read before they are done.

Invariants: another tenant's batch looks like one that does not exist; a batch is accepted before its file is looked at.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from deployments.batching.readout import Readout
from deployments.batching.view import UnknownBatchError, batch_object
from deployments.history.views import page
from deployments.ingestion.door import traceparent_of
from events.ids import is_id
from pipelines.batch_edits import (
    Batch,
    BatchQuery,
    BatchStatus,
    CancelBatch,
    CreateBatch,
    batch_job,
    batch_of,
    error_id,
    new_batch_id,
    output_id,
    validation_id,
)
from pipelines.commands import Answer, Key
from pipelines.ports import Ports
from pipelines.steps import VALIDATION


class Order(NamedTuple):
    """What a client asks for. `metadata` is JSON."""

    input_file: str
    endpoint: str
    window: str
    window_s: float
    metadata: str
    output_expires_s: float | None


class Created(NamedTuple):
    """The journal's answer, and the batch; None where it was refused."""

    answer: Answer
    batch: dict[str, Any] | None


class Batches:
    """All that is done with batches, for one process. Raises UnknownBatchError."""

    def __init__(self, *, journal: JournalApi, blobs: Blobs, ports: Ports) -> None:
        self._journal = journal
        self._readout = Readout(journal, blobs)
        self._ports = ports

    async def create(self, tenant: str, order: Order, *, key: Key | None = None, traceparent: str = "") -> Created:
        """Accept a batch; it is on disk when this returns. A key that was used before gives the batch of then."""
        batch = new_batch_id(self._ports.ids.new("batch", self._journal.home(tenant)))
        now = self._ports.clock.now()
        job = batch_job(validation_id(batch), tenant, VALIDATION, deadline_s=order.window_s, now=now)
        create = CreateBatch(
            batch=batch,
            endpoint=order.endpoint,
            input_file=order.input_file,
            window=order.window,
            window_s=order.window_s,
            metadata=order.metadata,
            output_expires_s=order.output_expires_s,
            job=job._replace(key=key, traceparent=traceparent_of(traceparent, self._ports)),
        )
        (answer,) = await self._journal.edit([create])
        earlier = batch_of(answer.job_id) if answer.job_id else batch
        rows = await self._journal.batches(BatchQuery(tenant, earlier))
        return Created(answer, batch_object(rows[0]) if rows else None)

    async def batch(self, tenant: str, batch: str) -> dict[str, Any]:
        """A batch."""
        return batch_object(await self._row(tenant, batch))

    async def batches(self, query: BatchQuery) -> dict[str, Any]:
        """A page of batches, newest first. Raises LookupError for a cursor that is no batch's."""
        if query.after and not is_id(query.after):
            raise LookupError(query.after)
        rows = await self._journal.batches(query._replace(limit=query.limit + 1))
        return page([batch_object(row) for row in rows], query.limit)

    async def cancel(self, tenant: str, batch: str) -> BatchStatus:
        """End it early, unless it has ended; the status that it had."""
        row = await self._row(tenant, batch)
        (answer,) = await self._journal.edit([CancelBatch(batch=row.id, tenant=tenant)])
        return BatchStatus(answer.detail)

    async def content(self, tenant: str, file: str) -> AsyncGenerator[bytes] | None:
        """What one of the files of a batch that runs would hold by now; None for all other files."""
        batch = batch_of(file)
        if not is_id(batch) or file not in (output_id(batch), error_id(batch)):
            return None
        rows = await self._journal.batches(BatchQuery(tenant, batch))
        if not rows or rows[0].ended:
            return None
        return self._so_far(rows[0], errors=file == error_id(batch))

    async def _so_far(self, row: Batch, *, errors: bool) -> AsyncGenerator[bytes]:
        parts = self._readout.errors(row) if errors else self._readout.outputs(row)
        async with aclosing(parts):
            async for part in parts:
                yield part.data

    async def _row(self, tenant: str, batch: str) -> Batch:
        rows = await self._journal.batches(BatchQuery(tenant, batch)) if is_id(batch) else []
        if not rows:
            raise UnknownBatchError(batch)
        return rows[0]

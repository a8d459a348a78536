"""Batches in a simulated world: what ingestion's process answers about them, and the worker that does their jobs."""

from contextlib import aclosing
from typing import Any

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.batching.batches import Batches, Order
from deployments.batching.embedding import EmbeddingLines
from deployments.batching.finalization import Finalizer
from deployments.batching.line_jobs import LineJobs
from deployments.batching.lines import LineDoor
from deployments.batching.readout import Readout
from deployments.batching.validation import Validator
from deployments.batching.worker import BatchWorker
from deployments.history.history import HistoryApi
from deployments.ingestion.cards import EncoderCard, ModelCard
from deployments.ingestion.resolver import Resolver
from deployments.knowledge.encoding import Embedded
from deployments.knowledge.files import Files, Upload
from deployments.prompting.renderer import PromptRenderer
from pipelines.commands import Key
from pipelines.ports import Ports
from tests.encoders import DIMENSIONS, WordEncoder
from tests.simulation.batch_wishes import ENCODER, FAILING, BatchWish
from tests.simulation.disks import pieces

SLOTS = 4
FEW = 5  # lines that go together, so that most batches are more than one such part


class FailingEncoder(WordEncoder):
    """Cannot read some texts."""

    async def embed(self, texts: Any) -> Embedded:
        if any(FAILING in text for text in texts):
            raise ValueError("it fails")
        return await super().embed(texts)


class BatchDesk:
    """Files and batches of a tenant, without HTTP."""

    def __init__(self, tenant: str, *, journal: JournalApi, blobs: Blobs, objects: Objects, ports: Ports) -> None:
        self._tenant = tenant
        self._batches = Batches(journal=journal, blobs=blobs, ports=ports)
        self._files = Files(journal=journal, objects=objects, ids=ports.ids)

    async def upload(self, content: bytes) -> str:
        """A file's id."""
        upload = Upload("lines.jsonl", "batch", pieces(content))
        file: str = (await self._files.create(self._tenant, upload))["id"]
        return file

    async def create(self, file: str, wish: BatchWish) -> str:
        """A batch's id."""
        order = Order(file, wish.endpoint, "1h", wish.window_s, "{}", None)
        key = Key("/v1/batches", wish.key, "of this") if wish.key else None
        created = await self._batches.create(self._tenant, order, key=key)
        if created.batch is None:
            raise RuntimeError(f"the batch was refused: {created.answer}")
        batch: str = created.batch["id"]
        return batch

    async def batch(self, batch: str) -> dict[str, Any]:
        return await self._batches.batch(self._tenant, batch)

    async def cancel(self, batch: str) -> str:
        """The status before."""
        return await self._batches.cancel(self._tenant, batch)

    async def content(self, file: str) -> bytes:
        """What a client downloads."""
        so_far = await self._batches.content(self._tenant, file)
        if so_far is None:
            so_far = (await self._files.content(self._tenant, file)).pieces
        async with aclosing(so_far) as parts:
            return b"".join([part async for part in parts])


def batch_worker(
    *,
    models: dict[str, ModelCard],
    renderer: PromptRenderer,
    journal: JournalApi,
    blobs: Blobs,
    objects: Objects,
    history: HistoryApi,
    ports: Ports,
    validator: type[Validator],
    finalizer: type[Finalizer],
) -> BatchWorker:
    """All that does the jobs of batches, but for their lines."""
    encoder = FailingEncoder()
    cards = {ENCODER: EncoderCard(name=ENCODER, dimensions=DIMENSIONS, tokenizer=encoder)}
    line_jobs = LineJobs(blobs=blobs, renderer=renderer, models=models, clock=ports.clock)
    door = LineDoor(models, cards, Resolver(history, ports.ids))
    return BatchWorker(
        validator(line_jobs, journal=journal, objects=objects, door=door, ports=ports, chunk=FEW),
        finalizer(Readout(journal, blobs, page=FEW), journal=journal, objects=objects),
        EmbeddingLines({ENCODER: encoder}, journal=journal, blobs=blobs, ports=ports),
        slots=SLOTS,
        journal=journal,
        ports=ports,
    )

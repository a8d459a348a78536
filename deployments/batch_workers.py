"""Wires the workers of batches, for a replica or for `monolith.py`. Nothing here knows Ray."""

from collections.abc import Iterable, Mapping

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi, Worker
from actors.objects import Objects
from deployments.app import make_cards
from deployments.batching.embedding import EmbeddingLines
from deployments.batching.finalization import Finalizer
from deployments.batching.line_jobs import LineJobs
from deployments.batching.lines import LineDoor
from deployments.batching.readout import Readout
from deployments.batching.validation import Validator
from deployments.batching.worker import BatchWorker
from deployments.encoders import make_encoder_cards
from deployments.history.history import HistoryApi
from deployments.ingestion.resolver import Resolver
from deployments.knowledge.encoding import EncoderApi
from deployments.prompting.renderer import PromptRenderer
from pipelines.ports import Ports
from pipelines.steps import BATCHING_TOPIC, EMBEDDING_TOPIC

BATCHING_SLOTS = 4  # files that are read or written side by side


def make_batch_worker(
    models: Iterable[str],
    encoders: Mapping[str, EncoderApi],
    *,
    journal: JournalApi,
    objects: Objects,
    blobs: Blobs,
    history: HistoryApi,
    renderer: PromptRenderer,
    ports: Ports,
) -> BatchWorker:
    """The worker that reads the files of batches for these models, makes vectors, and writes the results."""
    cards = make_cards(models)
    line_jobs = LineJobs(blobs=blobs, renderer=renderer, models=cards, clock=ports.clock)
    door = LineDoor(cards, make_encoder_cards(encoders), Resolver(history, ports.ids))
    validator = Validator(line_jobs, journal=journal, objects=objects, door=door, ports=ports)
    finalizer = Finalizer(Readout(journal, blobs), journal=journal, objects=objects)
    lines = EmbeddingLines(encoders, journal=journal, blobs=blobs, ports=ports)
    return BatchWorker(validator, finalizer, lines, slots=BATCHING_SLOTS, journal=journal, ports=ports)


def batching_seat(worker_id: str, handle: object = None) -> Worker:
    """How a batch worker registers."""
    return Worker(id=worker_id, topic=BATCHING_TOPIC, line_topic=EMBEDDING_TOPIC, slots=BATCHING_SLOTS, handle=handle)

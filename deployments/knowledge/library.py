"""All that ingestion asks of what clients have brought along."""

from typing import NamedTuple

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.batching.batches import Batches
from deployments.knowledge.files import Files
from deployments.knowledge.uploads import Uploads
from pipelines.ports import Ports


class Library(NamedTuple):
    """The parts."""

    files: Files
    uploads: Uploads
    batches: Batches


def open_library(*, journal: JournalApi, objects: Objects, blobs: Blobs, ports: Ports) -> Library:
    """For one process."""
    files = Files(journal=journal, objects=objects, ids=ports.ids)
    uploads = Uploads(files, journal=journal, objects=objects, ids=ports.ids)
    return Library(files, uploads, Batches(journal=journal, blobs=blobs, ports=ports))

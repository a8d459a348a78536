"""All that ingestion asks of what clients have brought along."""

from typing import NamedTuple

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.batching.batches import Batches
from deployments.knowledge.files import Files
from deployments.knowledge.uploads import Uploads
from deployments.knowledge.vector_files import VectorFiles
from deployments.knowledge.vector_stores import KnowledgeApi, VectorStores
from pipelines.ports import Ports


class Library(NamedTuple):
    """The parts."""

    files: Files
    uploads: Uploads
    stores: VectorStores
    store_files: VectorFiles
    batches: Batches


def open_library(
    *, journal: JournalApi, objects: Objects, blobs: Blobs, knowledge: KnowledgeApi, encoder: str, ports: Ports
) -> Library:
    """For one process. `encoder` names the model that makes vectors of texts."""
    files = Files(journal=journal, objects=objects, ids=ports.ids)
    stores = VectorStores(journal=journal, knowledge=knowledge, encoder=encoder, ports=ports)
    return Library(
        files=files,
        uploads=Uploads(files, journal=journal, objects=objects, ids=ports.ids),
        stores=stores,
        store_files=VectorFiles(stores, knowledge=knowledge, ids=ports.ids),
        batches=Batches(journal=journal, blobs=blobs, ports=ports),
    )

"""All that ingestion asks of what clients have brought along."""

from typing import NamedTuple

from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.knowledge.files import Files
from deployments.knowledge.uploads import Uploads
from pipelines.ports import Ids


class Library(NamedTuple):
    """The parts."""

    files: Files
    uploads: Uploads


def open_library(*, journal: JournalApi, objects: Objects, ids: Ids) -> Library:
    """For one process."""
    files = Files(journal=journal, objects=objects, ids=ids)
    return Library(files, Uploads(files, journal=journal, objects=objects, ids=ids))

"""Who has the index, by what is asked of it: it is searched, files are put into it, and chunks are taken out."""

from collections.abc import Callable
from typing import NamedTuple

from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.knowledge.indexing_worker import Indexer
from deployments.knowledge.removals import ChunkRemover
from deployments.knowledge.vector_stores import KnowledgeApi
from pipelines.ports import Ports


class Knowledge(NamedTuple):
    """The parts."""

    api: KnowledgeApi
    indexer: Indexer
    remover: ChunkRemover


OpenKnowledge = Callable[[JournalApi, Objects, Ports], Knowledge]

"""Who has the index, by what is asked of it: it is searched, files are put into it, and chunks are taken out."""

from collections.abc import Callable
from typing import NamedTuple

from actors.journal.protocol import JournalApi, Places
from deployments.knowledge.encoding import RerankerApi
from deployments.knowledge.indexing_worker import Indexer
from deployments.knowledge.removals import ChunkRemover
from deployments.knowledge.search_steps import FinderApi
from deployments.knowledge.vector_stores import KnowledgeApi
from pipelines.ports import Ports


class Knowledge(NamedTuple):
    """The parts; `reranker` is None where there is none."""

    api: KnowledgeApi
    finder: FinderApi
    indexer: Indexer
    remover: ChunkRemover
    reranker: RerankerApi | None = None


OpenKnowledge = Callable[[JournalApi, Places, Ports], Knowledge]
